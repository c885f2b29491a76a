"""A cipher for the library's test cases, which import theirs at the top of the file.

The library's own needs a cryptography package that the platform has no use for: nothing of the log is encrypted by a
mapper. It is no secret keeper; it only behaves like a cipher with a key that may be wrong.
"""

import hashlib
import hmac
import sys
from itertools import count
from types import ModuleType

from eventsourcing.persistence import Cipher
from eventsourcing.utils import Environment


class AESCipher(Cipher):
    CIPHER_KEY = "CIPHER_KEY"
    _keys = count(1)

    @classmethod
    def create_key(cls, num_bytes: int) -> str:
        return next(cls._keys).to_bytes(num_bytes).hex()

    def __init__(self, environment: Environment) -> None:
        key = environment.get(self.CIPHER_KEY)
        if not key:
            raise OSError(f"{self.CIPHER_KEY} is not set")
        self._key = bytes.fromhex(key)

    def encrypt(self, plaintext: bytes) -> bytes:
        return hmac.digest(self._key, plaintext, hashlib.sha256) + plaintext

    def decrypt(self, ciphertext: bytes) -> bytes:
        tag, plaintext = ciphertext[:32], ciphertext[32:]
        if not hmac.compare_digest(tag, hmac.digest(self._key, plaintext, hashlib.sha256)):
            raise ValueError("another key wrote this")
        return plaintext


def install() -> None:
    """Stand in for `eventsourcing.cipher` in this process."""
    module = ModuleType("eventsourcing.cipher")
    vars(module)["AESCipher"] = AESCipher
    AESCipher.__module__ = module.__name__
    sys.modules.setdefault(module.__name__, module)
