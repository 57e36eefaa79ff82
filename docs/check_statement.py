"""Checks a prize statement without its server: python check_statement.py STATEMENT.json PUBLIC_KEY.pem
Needs `pip install cryptography`, and the key from somebody you trust, not from whoever sent you the statement."""
import base64, collections, hashlib, json, pathlib, sys
from fractions import Fraction as Exact
from cryptography.hazmat.primitives.serialization import load_pem_public_key

def win(pool, plan, rows):
    """What each row wins, in minor units: what its place is worth, rounded by largest remainder."""
    worth = lambda place: Exact(place["percent"]) * pool / 100 if "percent" in place else Exact(place["amount_minor"])
    worths = [sum(worth(p) for p in plan["places"] if p["first"] <= n <= p["last"]) for n, _ in enumerate(rows, 1)]
    money = sum(worth(p) * (p["last"] - p["first"] + 1) for p in plan["places"])
    if plan["leftover"] != "redistribute": money = sum(worths)  # what places are worth that nobody holds is kept
    if plan["target"] is not None: worths, money = [int(row["score"] >= plan["target"]) for row in rows], pool
    total, tied = sum(worths) or 1, collections.defaultdict(list)
    for row, value in zip(rows, worths): tied[row["rank"]].append(value)  # a shared rank divides its places evenly
    exact = [Exact(money * sum(tied[row["rank"]])) / len(tied[row["rank"]]) / total for row in rows]
    spare = int(sum(exact)) - sum(int(share) for share in exact)
    luckiest = set(sorted(range(len(rows)), key=lambda i: int(exact[i]) - exact[i])[:spare])
    return [int(share) + (i in luckiest) for i, share in enumerate(exact)]

signed, pem = json.loads(pathlib.Path(sys.argv[1]).read_bytes()), pathlib.Path(sys.argv[2]).read_bytes()
try:
    signed = signed.get("data", signed)
    text = json.dumps(signed["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # RFC 8785
    load_pem_public_key(pem).verify(base64.b64decode(signed["signature"], validate=True), text.encode())
except Exception: sys.exit("WRONG: this was not signed with this key, or was changed afterwards.")
standings, awards, transfers = (signed["statement"][part] for part in ("standings", "awards", "transfers"))
if document := standings.get("document", ""):
    standings["rows"] = [{**row, "person": row["user_id"]} for row in json.loads(document)["standings"]]
    if hashlib.sha256(document.encode()).hexdigest() != standings["sha256"]: sys.exit("WRONG: not the same standings.")
rows = [row for row in standings["rows"] if row["score"] > 0]
due = [(row["person"], row["rank"], m) for row, m in zip(rows, win(awards["pool_minor"], awards["plan"], rows)) if m]
if any(a["score"] < b["score"] for a, b in zip(rows, rows[1:])): sys.exit("WRONG: somebody stands above more points.")
if due != [(award["person"], award["rank"], award["amount_minor"]) for award in awards["awards"]]:
    sys.exit("WRONG: the awards are not what the plan gives for these standings.")
if sum(m for *_, m in due) + awards["kept_minor"] != awards["pool_minor"]: sys.exit("WRONG: the sum is not the pool.")
won, paid, money = {person: m for person, _, m in due}, collections.Counter(), awards["currency"]
for t in transfers: paid[t["person"]] += t["amount_minor"] if t["state"] == "paid" else 0
for who in {**won, **paid}: print(f"{who}: {won.get(who, 0)} minor units ({money}) won, {paid[who]} paid")
print("Right: the signature, the standings, the awards and their sum.")
