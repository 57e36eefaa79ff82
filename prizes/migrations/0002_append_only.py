"""PostgreSQL keeps the books: nobody changes what is written, and no entry is committed that does not add up."""

from django.db import migrations

_TABLES = (
    "prizes_account",
    "prizes_entry",
    "prizes_posting",
    "prizes_awardlist",
    "prizes_award",
    "prizes_transfermove",
    "prizes_treasuryaction",
)

_PROTECT = "".join(
    f"""
    CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    """
    for table in _TABLES
)
_RELEASE = "".join(
    f"DROP TRIGGER {table}_append_only ON {table}; DROP TRIGGER {table}_no_truncate ON {table};" for table in _TABLES
)

# Checked when the transaction ends, because an entry and its postings take several statements. Both tables ask: an entry
# without postings is as wrong as a posting that comes late.
_BALANCE = """
    CREATE FUNCTION prizes_entry_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        entry uuid := CASE WHEN TG_TABLE_NAME = 'prizes_entry' THEN (to_jsonb(NEW) ->> 'id')::uuid
                           ELSE (to_jsonb(NEW) ->> 'entry_id')::uuid END;
        said integer := (SELECT posting_count FROM prizes_entry WHERE id = entry);
        written integer := (SELECT count(*) FROM prizes_posting WHERE entry_id = entry);
    BEGIN
        IF written <> said THEN
            RAISE EXCEPTION 'entry % says % postings and has %', entry, said, written
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF EXISTS (SELECT FROM prizes_posting p JOIN prizes_account a ON a.id = p.account_id
                    WHERE p.entry_id = entry GROUP BY a.currency HAVING sum(p.amount_minor) <> 0) THEN
            RAISE EXCEPTION 'entry % does not come to zero', entry USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER prizes_entry_adds_up AFTER INSERT ON prizes_entry
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION prizes_entry_adds_up();
    CREATE CONSTRAINT TRIGGER prizes_posting_adds_up AFTER INSERT ON prizes_posting
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION prizes_entry_adds_up();
"""
# What somebody is owed, or a pool holds, cannot be spent twice: whoever takes out of an account holds it until the end, and
# only then is it added up.
_KEEP = """
    CREATE FUNCTION prizes_nothing_overdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        debited bigint[] := ARRAY(SELECT DISTINCT account_id FROM written WHERE amount_minor > 0);
        overdrawn bigint;
    BEGIN
        PERFORM FROM prizes_account WHERE id = ANY(debited) AND kind <> 'cash' ORDER BY id FOR NO KEY UPDATE;
        SELECT a.id INTO overdrawn FROM prizes_account a
          JOIN prizes_posting p ON p.account_id = a.id
         WHERE a.id = ANY(debited) AND a.kind <> 'cash' GROUP BY a.id HAVING sum(p.amount_minor) > 0 LIMIT 1;
        IF overdrawn IS NOT NULL THEN
            RAISE EXCEPTION 'account % has less than is taken out of it', overdrawn
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER prizes_nothing_overdrawn AFTER INSERT ON prizes_posting REFERENCING NEW TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION prizes_nothing_overdrawn();
"""
_SPEND = """
    DROP TRIGGER prizes_nothing_overdrawn ON prizes_posting;
    DROP FUNCTION prizes_nothing_overdrawn();
"""
_UNBALANCE = """
    DROP TRIGGER prizes_posting_adds_up ON prizes_posting;
    DROP TRIGGER prizes_entry_adds_up ON prizes_entry;
    DROP FUNCTION prizes_entry_adds_up();
"""


class Migration(migrations.Migration):
    dependencies = [("prizes", "0001_initial"), ("leaderboards", "0002_final_standings")]

    operations = [
        migrations.RunSQL(_PROTECT, _RELEASE),
        migrations.RunSQL(_BALANCE, _UNBALANCE),
        migrations.RunSQL(_KEEP, _SPEND),
    ]
