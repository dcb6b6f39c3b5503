#!/usr/bin/env python3
"""Asks a canseal logger over its control channel (docs/control-protocol.md).

usage: client.py HOST PORT TOKEN-FILE [PATH]      such as /v1/status

Wants Debian's python3-dissononce.
"""
import hashlib
import socket
import struct
import sys

from dissononce.extras.meta.protocol.factory import NoiseProtocolFactory

PROFILE = b"canseal-control/1"
DATA, GOODBYE = b"\0", b"\1"


class Control:
    def __init__(self, host, port, token):
        key = hashlib.scrypt(token.strip().encode(), salt=PROFILE, n=1 << 15, r=8, p=1, dklen=32, maxmem=64 << 20)
        self.socket = socket.create_connection((host, port), timeout=10)
        protocol = NoiseProtocolFactory().get_noise_protocol("Noise_NNpsk0_25519_AESGCM_SHA256")
        noise = protocol.create_handshakestate()
        noise.initialize(protocol.pattern, True, PROFILE, psks=[key])
        first = bytearray()
        noise.write_message(b"", first)
        self.frame(bytes(first))
        self.sending, self.receiving = noise.read_message(self.next_frame(), bytearray())

    def frame(self, message):
        self.socket.sendall(struct.pack(">H", len(message)) + message)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise EOFError("cut")
            data += part
        return data

    def next_frame(self):
        return self.exactly(struct.unpack(">H", self.exactly(2))[0])

    def send(self, data):
        self.frame(self.sending.encrypt_with_ad(b"", DATA + data))

    def receive(self):
        """the data of a record; None: goodbye"""
        plain = bytes(self.receiving.decrypt_with_ad(b"", self.next_frame()))
        if plain[:1] == GOODBYE:
            return None
        if plain[:1] != DATA:
            raise ValueError("unknown record")
        return plain[1:]

    def close(self):
        self.frame(self.sending.encrypt_with_ad(b"", GOODBYE))
        self.socket.close()

    def get(self, path):
        """the body of the answer to an HTTP request"""
        self.send(f"GET {path} HTTP/1.0\r\nHost: canseald\r\n\r\n".encode())
        answer = b""
        while (data := self.receive()) is not None:
            answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise ValueError(head.decode(errors="replace"))
        return body


if __name__ == "__main__":
    host, port, token_file = sys.argv[1:4]
    control = Control(host, int(port), open(token_file).read())
    sys.stdout.buffer.write(control.get(sys.argv[4] if len(sys.argv) > 4 else "/v1/status"))
