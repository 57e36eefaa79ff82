"""Checks a prize statement without its server: python check_statement.py STATEMENT.json PUBLIC_KEY.pem
Needs `pip install cryptography`, and the key from somebody you trust, not from whoever sent you the statement."""
import base64, hashlib, json, pathlib, sys
from fractions import Fraction as Exact
from cryptography.hazmat.primitives.serialization import load_pem_public_key

def demand(holds, complaint):
    if not holds:
        sys.exit(f"WRONG: {complaint}.")

def win(pool, plan, ties_share, rows):
    """What each row wins, in minor units: what its place is worth, rounded by largest remainder."""
    worth = lambda place: Exact(place.get("percent", place.get("amount_minor")))
    worths = [sum(worth(p) for p in plan["places"] if p["first"] <= n <= p["last"]) for n in range(1, len(rows) + 1)]
    money = sum(worth(p) * (p["last"] - p["first"] + 1) for p in plan["places"])
    if plan["target"] is not None:
        worths, money = [Exact(row["score"] >= plan["target"]) for row in rows], Exact(pool)
    elif ties_share:  # equals divide evenly what their places are worth together
        tied = [[w for w, other in zip(worths, rows) if other["rank"] == row["rank"]] for row in rows]
        worths = [sum(group) / Exact(len(group)) for group in tied]
    if plan["target"] is None and plan["leftover"] != "redistribute":
        money = sum(worths)  # the worth of places that nobody holds is kept
    money = money * pool / 100 if any("percent" in place for place in plan["places"]) else money
    exact = [money * w / sum(worths) if sum(worths) else Exact(0) for w in worths]
    whole, spare = [int(share) for share in exact], int(sum(exact)) - sum(int(share) for share in exact)
    luckiest = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], i))[:spare]
    return [amount + (i in luckiest) for i, amount in enumerate(whole)]

key, signed = pathlib.Path(sys.argv[2]).read_bytes(), json.loads(pathlib.Path(sys.argv[1]).read_bytes())
signed = signed.get("data", signed)
text = json.dumps(signed["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)  # RFC 8785
load_pem_public_key(key).verify(base64.b64decode(signed["signature"]), text.encode())  # or raises InvalidSignature
standings, awards, transfers = (signed["statement"][part] for part in ("standings", "awards", "transfers"))
if document := standings.get("document"):
    demand(hashlib.sha256(document.encode()).hexdigest() == standings["sha256"], "these are not the frozen standings")
    standings["rows"] = [{**row, "person": row["user_id"]} for row in json.loads(document)["standings"]]
rows = [row for row in standings["rows"] if row["score"] > 0]
due = dict(zip((row["person"] for row in rows), win(awards["pool_minor"], awards["plan"], awards["ties_share"], rows)))
demand({p: m for p, m in due.items() if m} == {a["person"]: a["amount_minor"] for a in awards["awards"]}, "awards differ")
demand(sum(due.values()) + awards["kept_minor"] == awards["pool_minor"], "awards and remainder are not the pool")
for person, amount in due.items():
    paid = sum(t["amount_minor"] for t in transfers if (t["person"], t["state"]) == (person, "paid"))
    print(f"{person}: {amount} minor units of {awards['currency']} awarded, {paid} paid")
print("Right: the signature, the standings, the awards and their sum.")
