"""`as_account.py ACCOUNT signer …` or `as_account.py ACCOUNT ask SOCKET`: as that account, or as this one where none is named.

Everything is imported before the account is changed, because the other one may not be let into this environment's folder.
"""

import json
import os
import pwd
import sys
from pathlib import Path

from mlops_assets.cli import main
from mlops_assets.commands import signer
from mlops_assets.ledger.events import registry
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.signing import server
from mlops_assets.ledger.signing.client import ask

LOADED = (signer, registry, server)


def become(account: str) -> None:
    """Change this process's account for good."""
    # What cryptography imports late, it imports here.
    key = SigningKey.generate()
    assert key.public.verify(key.sign(b"x"), b"x")
    who = pwd.getpwnam(account)
    os.setgroups([])
    os.setresgid(who.pw_gid, who.pw_gid, who.pw_gid)
    os.setresuid(who.pw_uid, who.pw_uid, who.pw_uid)
    os.environ["HOME"] = "/"
    os.chdir("/")


if __name__ == "__main__":
    name, do, *rest = sys.argv[1:]
    if name:
        become(name)
    if do == "ask":
        print(json.dumps(ask(Path(rest[0]), {"do": "public", "key": "ledger"})))
    else:
        main([do, *rest])
