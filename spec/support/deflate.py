"""Raw deflate and inflate by Python's zlib, for spec/support/deflate.lua.

Prints "port N" and serves one connection. A request is its length (4 bytes, the
highest first), a line of words, and bytes; the answer is its length, "+" and
bytes, or "-" and what is wrong:

    deflater LEVEL BITS     -> the number of a new compressor
    inflater BITS           -> the number of a new decompressor
    deflate NUMBER HOW      -> the bytes as HOW says (below), compressed
    inflate NUMBER          -> a message's payload, inflated
    reset NUMBER            -> nothing: it has forgotten its history
    bytes KIND COUNT SEED   -> so many bytes of that kind
    bomb MIB                -> a payload that inflates to so many MiB of zeros
"""
import json
import random
import socket
import struct
import zlib

TAIL = b"\0\0\xff\xff"


class Deflater:
    def __init__(self, level, bits):
        self.level, self.bits = int(level), int(bits)
        self.reset()

    def reset(self):
        self.z = zlib.compressobj(self.level, zlib.DEFLATED, -self.bits)

    def sync(self, data):
        """RFC 7692 section 7.2.1: the flush's empty block, but for its tail."""
        out = self.z.compress(data) + self.z.flush(zlib.Z_SYNC_FLUSH)
        if not out:    # nothing since the last flush: section 7.2.3.6
            return b"\0"
        assert out.endswith(TAIL)
        return out[:-4]

    def block(self, data):
        """Whole blocks, flushed, with their tail: more is to follow."""
        return self.z.compress(data) + self.z.flush(zlib.Z_SYNC_FLUSH)

    def stream(self, data):
        """Ends with BFINAL set; more may follow, without history."""
        out = self.z.compress(data) + self.z.flush(zlib.Z_FINISH)
        self.reset()
        return out

    def finish(self, data):
        """The same as a whole message: section 7.2.3.4."""
        return self.stream(data) + b"\0"


class Inflater:
    """Section 7.2.2, stricter than a receiver must be: the window is no larger than
    agreed, the tail was removed, a message ends at the end of a block."""

    def __init__(self, bits):
        self.bits = int(bits)
        self.reset()

    def reset(self):
        self.z = zlib.decompressobj(-self.bits)

    # zlib also accepts a distance within its output buffer, which would hide one
    # larger than the window: so that has one byte.
    def piece(self, data):
        out, step = bytearray(), 0 if self.bits == 15 else 1
        while True:
            got = self.z.decompress(data, step)
            out += got
            data = self.z.unconsumed_tail
            if self.z.eof:
                rest = self.z.unused_data
                self.reset()
                return out + (self.piece(rest) if rest else b"")
            if not data and not got:
                return out

    def message(self, data):
        if data.endswith(TAIL):
            raise ValueError("the tail is not cut")
        out, data = bytearray(), data + TAIL
        for at in range(0, len(data), 64):
            out += self.piece(data[at:at + 64])
        probe = self.z.copy()
        if probe.decompress(b"\1\1\0\xfe\xff!") != b"!" or not probe.eof:
            raise ValueError("it does not end with a block")
        return bytes(out)


def json_text(draw, count):
    out = []
    size = 0
    while size < count:
        out.append(json.dumps({
            "id": draw.randrange(1 << 30), "name": "sensor %d" % draw.randrange(50),
            "values": [draw.randrange(1000) for _ in range(5)], "ok": draw.random() < .5}))
        size += len(out[-1])
    return "".join(out)[:count].encode()


def mixed(draw, count):
    """Runs, repeats from near and far, and noise."""
    out = bytearray()
    while len(out) < count:
        n = draw.randrange(1, 400)
        kind = draw.randrange(3)
        if kind == 0 or not out:
            out += draw.randbytes(n)
        elif kind == 1:
            out += bytes([draw.randrange(256)]) * n
        else:
            at = draw.randrange(len(out))
            out += out[at:at + n]
    return bytes(out[:count])


KINDS = {
    "zeros": lambda draw, count: bytes(count),
    "random": lambda draw, count: draw.randbytes(count),
    "json": json_text,
    "mixed": mixed,
}


class Helper:
    def __init__(self):
        self.made = []

    def keep(self, it):
        self.made.append(it)
        return b"%d" % (len(self.made) - 1)

    def deflater(self, _, *words):
        return self.keep(Deflater(*words))

    def inflater(self, _, *words):
        return self.keep(Inflater(*words))

    def deflate(self, data, number, how):
        return getattr(self.made[int(number)], how)(data)

    def inflate(self, data, number):
        return self.made[int(number)].message(data)

    def reset(self, _, number):
        self.made[int(number)].reset()
        return b""

    def bytes(self, _, kind, count, seed):
        return KINDS[kind](random.Random(int(seed)), int(count))

    def bomb(self, _, mib):
        deflater = Deflater(9, 15)
        out = bytearray()
        for _ in range(int(mib)):
            out += deflater.z.compress(bytes(1 << 20))
        return bytes(out) + deflater.sync(b"")

    def answer(self, request):
        line, _, data = request.partition(b"\n")
        name, *words = line.decode().split()
        try:
            return b"+" + getattr(self, name)(data, *words)
        except (ValueError, zlib.error) as error:
            return b"-" + str(error).encode()


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    stream = listener.accept()[0].makefile("rwb")
    helper = Helper()
    while True:
        head = stream.read(4)
        if len(head) < 4:
            return
        answer = helper.answer(stream.read(struct.unpack(">I", head)[0]))
        stream.write(struct.pack(">I", len(answer)) + answer)
        stream.flush()


main()
