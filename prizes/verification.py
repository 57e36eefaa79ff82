"""Whether the ledger adds up, and agrees with what it is about. SQL alone, so that it shares nothing with the code that
wrote it."""

from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True)
class Fault:
    """``id``: of the entry, account, transfer, payment, list or competition that ``problem`` is about."""

    check: str
    id: str
    problem: str


_CHECKS = {
    "entries have all their postings": """
        SELECT e.id, format('it says %s postings and has %s', e.posting_count, count(p.id))
          FROM prizes_entry e LEFT JOIN prizes_posting p ON p.entry_id = e.id
         GROUP BY e.id HAVING count(p.id) <> e.posting_count
    """,
    "entries come to zero in each currency": """
        SELECT p.entry_id, format('it is off by %s minor units of %s', sum(p.amount_minor), a.currency)
          FROM prizes_posting p JOIN prizes_account a ON a.id = p.account_id
         GROUP BY p.entry_id, a.currency HAVING sum(p.amount_minor) <> 0
    """,
    "all accounts come to zero in each currency": """
        SELECT a.currency, format('the whole ledger is off by %s minor units', sum(p.amount_minor))
          FROM prizes_posting p JOIN prizes_account a ON a.id = p.account_id
         GROUP BY a.currency HAVING sum(p.amount_minor) <> 0
    """,
    "nobody was given more than they had": """
        SELECT a.id,
               format('the %s account is overdrawn by %s minor units of %s', a.kind, sum(p.amount_minor), a.currency)
          FROM prizes_posting p JOIN prizes_account a ON a.id = p.account_id
         WHERE a.kind <> 'cash' GROUP BY a.id HAVING sum(p.amount_minor) > 0
    """,
    "paid transfers are in the ledger once": """
        SELECT t.id, format('it is %s, and the ledger has it paid %s times', t.state, coalesce(paid.times, 0))
          FROM prizes_transfer t
          LEFT JOIN (SELECT split_part(split_part(key, '/paid/', 1), '/returned/', 1) AS key,
                            sum(CASE WHEN kind = 'payment_returned' THEN -1 ELSE 1 END) AS times
                       FROM prizes_entry WHERE kind IN ('prize_paid', 'refund_paid', 'payment_returned')
                      GROUP BY 1) paid ON paid.key = t.key
         WHERE coalesce(paid.times, 0) <> CASE WHEN t.state = 'paid' THEN 1 ELSE 0 END
    """,
    "what is promised and paid belongs to a transfer": """
        SELECT e.id, 'no transfer of this person and amount goes with it'
          FROM prizes_entry e
          JOIN (SELECT entry_id, sum(amount_minor) AS amount FROM prizes_posting WHERE amount_minor > 0 GROUP BY 1) p
               ON p.entry_id = e.id
          LEFT JOIN prizes_transfer t
               ON t.key = split_part(split_part(split_part(e.key, '/paid/', 1), '/returned/', 1), '/withdrawn', 1)
              AND t.user_id = e.user_id AND t.amount_minor = p.amount AND t.competition_id = e.competition_id
         WHERE t.id IS NULL AND e.kind IN ('prize_owed', 'prize_paid', 'prize_withdrawn', 'refund_owed', 'refund_paid',
                                           'payment_returned')
    """,
    "what is owed is what transfers are to pay": """
        SELECT coalesce(o.account_id::text, t.key),
               format('%s minor units are owed, transfers are to pay %s', coalesce(o.owed, 0), coalesce(t.amount, 0))
          FROM (SELECT a.id AS account_id, a.kind, a.competition_id, a.user_id, a.currency, -sum(p.amount_minor) AS owed
                  FROM prizes_account a JOIN prizes_posting p ON p.account_id = a.id
                 WHERE a.kind IN ('prizes_owed', 'refunds_owed') GROUP BY a.id) o
          FULL JOIN (SELECT CASE purpose WHEN 'prize' THEN 'prizes_owed' ELSE 'refunds_owed' END AS kind,
                            competition_id, user_id, currency, sum(amount_minor) AS amount, min(key) AS key
                       FROM prizes_transfer WHERE state NOT IN ('paid', 'cancelled') GROUP BY 1, 2, 3, 4) t
               USING (kind, competition_id, user_id, currency)
         WHERE coalesce(o.owed, 0) <> coalesce(t.amount, 0)
    """,
    "paid fees are in the ledger": """
        SELECT coalesce(y.id, e.id),
               CASE WHEN y.id IS NULL THEN 'the ledger has a fee that belongs to no payment'
                    ELSE format('it is %s, and the ledger %s', y.state,
                                CASE WHEN e.id IS NULL THEN 'does not have it' ELSE 'has it as paid' END) END
          FROM prizes_payment y FULL JOIN (SELECT id, key FROM prizes_entry WHERE kind = 'entry_fee') e
               ON e.key = 'fee:' || y.id
         WHERE y.id IS NULL OR (y.state = 'paid') <> (e.id IS NOT NULL)
    """,
    "fees are split as the awards say": """
        SELECT e.id,
               format('%s minor units went to the %s, the awards say %s', coalesce(s.amount, 0), want.kind, want.amount)
          FROM prizes_entry e
          JOIN prizes_awardlist l ON l.competition_id = e.competition_id
               AND l.version = (SELECT min(version) FROM prizes_awardlist WHERE competition_id = e.competition_id)
          CROSS JOIN LATERAL (VALUES ('platform', l.platform_fee_minor), ('organiser', l.organiser_minor),
                                     ('pool', l.pool_minor - l.promised_minor)) want (kind, amount)
          LEFT JOIN LATERAL (SELECT -sum(p.amount_minor) AS amount FROM prizes_posting p
                               JOIN prizes_account a ON a.id = p.account_id
                               JOIN competitions_competition c ON c.id = e.competition_id
                              WHERE p.entry_id = e.id AND a.kind = want.kind
                                AND (a.user_id IS NULL OR a.user_id = c.owner_id)) s ON true
         WHERE e.kind = 'fees_split' AND coalesce(s.amount, 0) <> want.amount
    """,
    "pools that were distributed are empty": """
        SELECT l.competition_id, format('its pool still holds %s minor units', -sum(p.amount_minor))
          FROM prizes_awardlist l
          JOIN prizes_distribution d ON d.award_list_id = l.id AND d.released_at IS NOT NULL
          JOIN prizes_account a ON a.competition_id = l.competition_id AND a.kind = 'pool'
          JOIN prizes_posting p ON p.account_id = a.id
         WHERE l.version = (SELECT max(number) FROM leaderboards_finalstandings WHERE competition_id = l.competition_id)
         GROUP BY l.competition_id HAVING sum(p.amount_minor) <> 0
    """,
    "awards and what is kept come to the pool": """
        SELECT l.id, format('the awards come to %s, %s are kept, the pool is %s',
                            coalesce(sum(w.amount_minor), 0), l.kept_minor, l.pool_minor)
          FROM prizes_awardlist l LEFT JOIN prizes_award w ON w.award_list_id = l.id
         GROUP BY l.id HAVING coalesce(sum(w.amount_minor), 0) + l.kept_minor <> l.pool_minor
    """,
    "competitions show the money that was confirmed": """
        SELECT c.id, format('it shows %s minor units as confirmed, the ledger has %s',
                            c.funded_minor, coalesce(f.confirmed, 0))
          FROM competitions_competition c
          LEFT JOIN (SELECT e.competition_id AS id, -sum(p.amount_minor) AS confirmed
                       FROM prizes_entry e JOIN prizes_posting p ON p.entry_id = e.id
                       JOIN prizes_account a ON a.id = p.account_id
                      WHERE e.kind = 'funding' AND a.kind = 'pool' GROUP BY 1) f USING (id)
         WHERE c.funded_minor <> coalesce(f.confirmed, 0)
    """,
}

CHECKS = tuple(_CHECKS)


def faults_of(check: str) -> list[Fault]:
    with connection.cursor() as cursor:
        cursor.execute(_CHECKS[check])
        return [Fault(check, str(row[0]), row[1]) for row in cursor.fetchall()]


def posting_count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM prizes_posting")
        return int(cursor.fetchone()[0])
