#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways of reading a mounted tree that agents have. Usage (by with_tree): reading_test.py MOUNT"""
import ctypes
import os
import resource
import sys
import unittest

ROOT = ""
ENERGY = "intel-rapl/intel-rapl:0/energy_uj"
ZONE = "intel-rapl/intel-rapl:0"
LIBC = ctypes.CDLL(None, use_errno=True)
GETDENTS64 = {"x86_64": 217, "aarch64": 61}[os.uname().machine]


def path(below: str) -> str:
    return f"{ROOT}/00000000-0000-4000-8000-00000000000c/{below}"


def pieces_of(directory: str, size: int) -> list[list[str]]:
    """The names that each getdents64 with a buffer of `size` bytes gives."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    buffer = ctypes.create_string_buffer(size)
    pieces = []
    try:
        while (used := LIBC.syscall(GETDENTS64, descriptor, buffer, size)) > 0:
            names, at = [], 0
            while at < used:
                length = int.from_bytes(buffer.raw[at + 16:at + 18], "little")
                names.append(buffer.raw[at + 19:at + length].split(b"\0")[0].decode())
                at += length
            pieces.append(names)
        if used < 0:
            raise OSError(ctypes.get_errno(), directory)
    finally:
        os.close(descriptor)
    return pieces


class Reading(unittest.TestCase):
    def open(self, below: str) -> int:
        descriptor = os.open(path(below), os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def test_pread_at_any_offset_gives_the_rest(self):
        descriptor = self.open("intel-rapl/intel-rapl:0/max_energy_range_uj")
        whole = os.pread(descriptor, 4096, 0)
        self.assertRegex(whole, rb"\A[1-9][0-9]*\n\Z")
        for offset in list(range(len(whole) + 2)) + [4096, 1 << 40]:
            self.assertEqual(whole[offset:], os.pread(descriptor, 4096, offset), offset)

    def test_a_kept_descriptor_is_read_again_from_its_start(self):
        descriptor = self.open(ENERGY)
        for _ in range(3):
            self.assertRegex(os.read(descriptor, 64), rb"\A[1-9][0-9]*\n\Z")
            self.assertEqual(b"", os.read(descriptor, 64))
            os.lseek(descriptor, 0, os.SEEK_SET)

    def test_byte_by_byte_gives_one_value(self):
        for name in ("energy_uj", "max_energy_range_uj", "name", "constraint_0_name"):
            whole = os.read(self.open(f"{ZONE}/{name}"), 64)
            descriptor = self.open(f"{ZONE}/{name}")
            self.assertEqual(whole, b"".join(iter(lambda fd=descriptor: os.read(fd, 1), b"")))

    def test_listing_in_pieces_gives_each_name_once(self):
        for directory in ("", "intel-rapl", ZONE, ZONE + "/power"):
            whole = [name for piece in pieces_of(path(directory), 65536) for name in piece]
            pieces = pieces_of(path(directory), 64)
            self.assertGreater(len(pieces), 1)
            self.assertEqual(whole, [name for piece in pieces for name in piece])
            self.assertEqual({".", ".."} | set(os.listdir(path(directory))), set(whole))
            self.assertEqual(len(set(whole)), len(whole))

    def test_stat_by_path_and_by_descriptor_agree(self):
        kept = self.open(ENERGY)
        for status in (os.fstat(kept), os.stat(path("intel-rapl:0/energy_uj"))):
            self.assertEqual(os.stat(path(ENERGY))[:7], status[:7])
            self.assertEqual((4096, 0, 0), (status.st_size, status.st_blocks, status.st_mtime))

    def test_statfs_answers_without_space(self):
        status = os.statvfs(path(ENERGY))
        self.assertEqual((4096, 0, 0, 255), (status.f_bsize, status.f_blocks, status.f_bfree, status.f_namemax))

    def test_a_thousand_descriptors_at_once(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        descriptors = [self.open(ENERGY) for _ in range(1000)]
        self.assertEqual({os.pread(descriptors[0], 64, 0)}, {os.pread(fd, 64, 0) for fd in descriptors})


if __name__ == "__main__":
    ROOT = sys.argv[1]
    unittest.main(argv=sys.argv[:1], verbosity=2)
