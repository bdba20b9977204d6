# SPDX-License-Identifier: Apache-2.0
"""What a mounted tree shows and how it answers, as items to compare."""
import ctypes
import errno
import fcntl
import mmap
import os
import pathlib
import select
import stat
import struct
import termios

TYPES = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link"}

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, STATX_BTIME = -100, 0x100, 0x7ff, 0x800


def outcome(call) -> str:
    """"" when `call` succeeds, else the name of its errno."""
    try:
        call()
    except OSError as error:
        return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode[error.errno]
    return ""


def with_open(path: str, flags: int, use) -> None:
    descriptor = os.open(path, flags)
    try:
        use(descriptor)
    finally:
        os.close(descriptor)


def statx(path: str) -> dict[str, str]:
    """What is known of a path (a mask), and of it size, blocks and links."""
    buffer = ctypes.create_string_buffer(256)
    if LIBC.statx(AT_FDCWD, path.encode(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, buffer) != 0:
        raise OSError(ctypes.get_errno(), path)
    mask, links = struct.unpack_from("=I12xI", buffer)
    size, blocks = struct.unpack_from("=QQ", buffer, 40)
    return {"statx mask": f"{mask & (STATX_BASIC_STATS | STATX_BTIME):03x}", "statx size": str(size),
            "statx blocks": str(blocks), "statx links": str(links)}


def show(path: str) -> dict[str, str]:
    """Type, mode, size, owner, blocks, what statx says, and the content or target of one path."""
    status = os.lstat(path)
    kind = TYPES[stat.S_IFMT(status.st_mode)]
    items = {"type": kind, "mode": f"{stat.S_IMODE(status.st_mode):04o}", "size": str(status.st_size),
             "owner": f"{status.st_uid}:{status.st_gid}", "blocks": str(status.st_blocks)} | statx(path)
    if kind == "link":
        items["target"] = os.readlink(path)
    if kind == "file":
        items["links"] = str(status.st_nlink)
        try:
            items["content"] = pathlib.Path(path).read_text(encoding="ascii")
        except OSError as error:
            items["content"] = "!" + errno.errorcode[error.errno]
    return items


def walk(root: str) -> dict[str, dict[str, str]]:
    """Every path below `root`, links not followed."""
    return {os.path.relpath(path, root): show(path)
            for above, directories, files in os.walk(root)
            for path in (os.path.join(above, name) for name in directories + files)}


def map_page(path: str, flags: int) -> str:
    return outcome(lambda: with_open(
        path, os.O_RDONLY, lambda fd: mmap.mmap(fd, 4096, flags=flags, prot=mmap.PROT_READ).close()))


def poll(path: str, reads: bool) -> str:
    """The events, as names, of a file that was just opened, or was read."""
    events = []

    def ask(descriptor):
        if reads:
            os.read(descriptor, 64)
        asked = select.poll()
        asked.register(descriptor, select.POLLIN | select.POLLOUT | select.POLLPRI)
        bits = asked.poll(0)[0][1]
        events.extend(name for name, bit in (("IN", select.POLLIN), ("OUT", select.POLLOUT),
                                             ("PRI", select.POLLPRI), ("ERR", select.POLLERR)) if bits & bit)
    with_open(path, os.O_RDONLY, ask)
    return "|".join(events)


def statfs(path: str) -> str:
    """Block size, blocks, free ones, files and the longest name."""
    status = os.statvfs(path)
    return f"{status.f_bsize} {status.f_blocks} {status.f_bfree} {status.f_files} {status.f_namemax}"


def of_any(path: str) -> dict[str, str]:
    """Answers of what files and directories share."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return {"truncate": outcome(lambda: os.truncate(path, 0)),
            "open for write": outcome(lambda: with_open(path, os.O_WRONLY, lambda _: None)),
            "chmod": outcome(lambda: os.chmod(path, mode)), "chown": outcome(lambda: os.chown(path, 0, 0)),
            "setxattr": outcome(lambda: os.setxattr(path, "user.x", b"1")),
            "getxattr": outcome(lambda: os.getxattr(path, "user.x")),
            "listxattr": outcome(lambda: os.listxattr(path)),
            "statfs": statfs(path),
            "unlink": outcome(lambda: os.unlink(path)),
            "rename": outcome(lambda: os.rename(path, os.path.join(os.path.dirname(path), "new")))}


def of_file(path: str) -> dict[str, str]:
    return of_any(path) | {
        "open for both": outcome(lambda: with_open(path, os.O_RDWR | os.O_SYNC, lambda _: None)),
        "truncating open": outcome(lambda: with_open(path, os.O_RDONLY | os.O_TRUNC, lambda _: None)),
        "write": outcome(lambda: with_open(path, os.O_WRONLY, lambda fd: os.write(fd, b"0\n"))),
        "write junk": outcome(lambda: with_open(path, os.O_WRONLY, lambda fd: os.write(fd, b"x\n"))),
        "mmap": map_page(path, mmap.MAP_PRIVATE), "mmap shared": map_page(path, mmap.MAP_SHARED),
        "link": outcome(lambda: os.link(path, os.path.join(os.path.dirname(path), "new"))),
        "ioctl": outcome(lambda: with_open(
            path, os.O_RDONLY, lambda fd: fcntl.ioctl(fd, termios.TCGETS, bytearray(64)))),
        "readdir": outcome(lambda: os.listdir(path)),
        "create below": outcome(lambda: os.open(path + "/new", os.O_CREAT | os.O_WRONLY)),
        "poll before read": poll(path, False), "poll after read": poll(path, True)}


def of_directory(path: str) -> dict[str, str]:
    new = path + "/new"
    return of_any(path) | {
        "read": outcome(lambda: with_open(path, os.O_RDONLY, lambda fd: os.read(fd, 1))),
        "rmdir": outcome(lambda: os.rmdir(path)),
        "create": outcome(lambda: os.open(new, os.O_CREAT | os.O_WRONLY)),
        "mkdir": outcome(lambda: os.mkdir(new)), "symlink": outcome(lambda: os.symlink("x", new)),
        "fifo": outcome(lambda: os.mkfifo(new))}


def of_link(path: str) -> dict[str, str]:
    return {"unlink": outcome(lambda: os.unlink(path)), "rmdir": outcome(lambda: os.rmdir(path)),
            "rename": outcome(lambda: os.rename(path, os.path.join(os.path.dirname(path), "new")))}


ANSWERS = {"file": of_file, "dir": of_directory, "link": of_link}
