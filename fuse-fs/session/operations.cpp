// SPDX-License-Identifier: Apache-2.0
// FUSE requests turned into calls of Filesystem, and its results into replies.
#include "fuse-fs/session/operations.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

/// How long the kernel may keep names and attributes of what does not change by itself. A VM's
/// zones may appear later, so not for ever.
constexpr double static_timeout = 1.0;
/// As sysfs: a page.
constexpr std::size_t longest_write = 4096;
/// Inode numbers are never used for two things, so one generation does. A change of it would turn every
/// inode that a guest holds into EIO.
constexpr std::uint64_t generation = 0;

SessionData& session_of(fuse_req_t request) {
  return *static_cast<SessionData*>(fuse_req_userdata(request));
}

/// The guarded border: computes a Result, turns whatever is thrown into EIO, and replies once.
/// `reply` must not throw before it has replied.
template <typename Compute, typename Reply>
void answer(fuse_req_t request, Compute compute, Reply reply) noexcept {
  int code = EIO;
  try {
    auto result = compute(session_of(request).filesystem);
    if (result) {
      reply(*result);
      return;
    }
    code = result.error().code;
  } catch (...) {  // out of memory, or a mistake of ours: this request fails, the next may not
  }
  fuse_reply_err(request, code);
}

struct stat stat_of(const Inode& inode) {
  struct stat status{};
  const auto type = inode.attributes.type;
  status.st_ino = inode.id;
  status.st_mode = (type == FileType::directory ? S_IFDIR
                    : type == FileType::link    ? S_IFLNK
                                                : S_IFREG) |
                   inode.attributes.permissions;
  status.st_nlink = inode.attributes.links;
  status.st_size = static_cast<off_t>(inode.attributes.size);
  status.st_blksize = 4096;
  return status;
}

fuse_entry_param entry_of(const Inode& inode) {
  fuse_entry_param entry{};
  entry.ino = inode.id;
  entry.generation = generation;
  entry.attr = stat_of(inode);
  entry.attr_timeout = entry.entry_timeout = inode.changing ? 0 : static_timeout;
  return entry;
}

/// What is wanted of the kernel must stay what the mount's first server said.
void on_init(void*, fuse_conn_info* connection) {
  connection->want = connection->capable & (FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS);
  connection->max_write = 32768;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(
      request, [&](const auto& filesystem) { return filesystem.lookup(parent, name); },
      [&](const Inode& inode) {
        const auto entry = entry_of(inode);
        fuse_reply_entry(request, &entry);
      });
}

// on_forget: libfuse's default, nothing. Inodes are computed, not kept.
/// libfuse's default would walk as many entries as the request says it has, one by one.
void on_forget_multi(fuse_req_t request, std::size_t, fuse_forget_data*) { fuse_reply_none(request); }

void on_getattr(fuse_req_t request, fuse_ino_t id, fuse_file_info*) {
  answer(
      request, [&](const auto& filesystem) { return filesystem.inode(id); },
      [&](const Inode& inode) {
        const auto status = stat_of(inode);
        fuse_reply_attr(request, &status, inode.changing ? 0 : static_timeout);
      });
}

void on_readlink(fuse_req_t request, fuse_ino_t id) {
  answer(
      request, [&](const auto& filesystem) { return filesystem.link_target(id); },
      [&](const std::string& target) { fuse_reply_readlink(request, target.c_str()); });
}

void on_open(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  answer(
      request,
      // On a read-only mount, as guests have it, the kernel refuses writers with EROFS before.
      [&](const auto& filesystem) {
        return filesystem.open(id, (info->flags & O_ACCMODE) != O_RDONLY);
      },
      [&](const Inode& inode) {
        info->direct_io = 1;  // never from a page cache: a kept descriptor sees each new value
        // Comes back to a successor too: a number, and one that it may not know.
        info->fh = inode.changing ? session_of(request).snapshots.new_handle() : 0;
        fuse_reply_open(request, info);
      });
}

/// The request that this thread answers; libfuse has no place for it.
thread_local const RequestSlot* in_hand = nullptr;

/// The content that a read at `offset` belongs to: a new one at the start, else the one begun. Which
/// one is settled before the answer goes out, so that it is the same if a successor gives it again.
Result<std::string> content_at(const SessionData& session, fuse_ino_t id, std::uint64_t handle,
                               off_t offset) {
  if (handle == 0) return session.filesystem.content(id);
  const auto begun = session.snapshots.find(handle);
  auto value = in_hand->decided();
  // The file may have been read from its start again since, by a thread that was not held up.
  const bool is_overtaken = value && begun && *begun > *value;
  if (!value && offset > 0) value = begun;
  if (!value) {
    const auto content = session.filesystem.content(id);
    const auto counter = content ? parse_u64(*content) : tl::unexpected(content.error());
    if (!counter) return tl::unexpected(counter.error());
    value = *counter;
  }
  in_hand->decide(*value);
  if (!is_overtaken) session.snapshots.keep(handle, *value);
  return std::to_string(*value) + "\n";
}

void on_read(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info* info) {
  answer(
      request, [&](const auto&) { return content_at(session_of(request), id, info->fh, offset); },
      [&](const std::string& content) {
        const auto start = std::min(static_cast<std::size_t>(offset), content.size());
        fuse_reply_buf(request, content.data() + start, std::min(size, content.size() - start));
      });
}

void on_write(fuse_req_t request, fuse_ino_t id, const char* text, std::size_t size, off_t,
              fuse_file_info*) {
  // What the request says of its size is not to be believed; behind each message there is a NUL.
  const auto length = ::strnlen(text, std::min(size, longest_write));
  answer(
      request, [&](const auto& filesystem) { return filesystem.write(id, {text, length}); },
      [&](std::size_t written) { fuse_reply_write(request, written); });
}

/// Times come along with a truncation; everything else that is asked for is refused.
void on_setattr(fuse_req_t request, fuse_ino_t id, struct stat*, int what, fuse_file_info*) {
  constexpr int owned = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID;
  answer(
      request,
      [&](const auto& filesystem) -> Result<Inode> {
        if ((what & FUSE_SET_ATTR_SIZE) == 0 || (what & owned) != 0)
          return fail(EPERM, "modes, owners and times are the host's");
        return filesystem.truncate(id);
      },
      [&](const Inode& inode) {
        const auto status = stat_of(inode);
        fuse_reply_attr(request, &status, inode.changing ? 0 : static_timeout);
      });
}

/// Both forms of listing: with attributes (and a look-up counted for each, which means nothing here) or
/// names and types alone.
template <bool plus>
void on_readdir(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
  answer(
      request,
      [&](const auto& filesystem) -> Result<std::vector<char>> {
        const auto entries = filesystem.list(id, static_cast<std::uint64_t>(offset));
        if (!entries) return tl::unexpected(entries.error());
        std::vector<char> buffer(std::min<std::size_t>(size, std::size_t{1} << 20));
        std::size_t used = 0;
        for (const auto& listed : *entries) {
          auto entry = entry_of(listed.inode);
          if (listed.is_dot) entry.ino = 0;  // not a look-up
          const auto left = buffer.size() - used;
          auto* place = buffer.data() + used;
          const auto next = static_cast<off_t>(listed.position);
          const auto needed =
              plus ? fuse_add_direntry_plus(request, place, left, listed.name.c_str(), &entry, next)
                   : fuse_add_direntry(request, place, left, listed.name.c_str(), &entry.attr, next);
          if (needed > left) break;
          used += needed;
        }
        buffer.resize(used);
        return buffer;
      },
      [&](const std::vector<char>& buffer) { fuse_reply_buf(request, buffer.data(), buffer.size()); });
}

void on_statfs(fuse_req_t request, fuse_ino_t) {
  struct statvfs status{};
  status.f_bsize = status.f_frsize = 4096;
  status.f_namemax = 255;
  fuse_reply_statfs(request, &status);
}

/// Asked only without default_permissions; then who mounted lets everybody look.
void on_access(fuse_req_t request, fuse_ino_t, int mask) {
  fuse_reply_err(request, (mask & W_OK) != 0 ? EACCES : 0);
}

template <int code, typename... Arguments>
void refuse(fuse_req_t request, Arguments...) {
  fuse_reply_err(request, code);
}

}  // namespace

void answer_request(fuse_session* session, const RequestSlot& slot) {
  fuse_buf buffer{};
  buffer.size = slot.header().len;
  buffer.mem = slot.buffer().data();
  in_hand = &slot;
  fuse_session_process_buf(session, &buffer);
  in_hand = nullptr;
}

const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops ops{};
    ops.init = on_init;
    ops.lookup = on_lookup;
    ops.forget_multi = on_forget_multi;
    ops.getattr = on_getattr;
    ops.readlink = on_readlink;
    ops.open = on_open;
    ops.read = on_read;
    ops.readdir = on_readdir<false>;
    ops.readdirplus = on_readdir<true>;
    ops.statfs = on_statfs;
    ops.access = on_access;
    ops.setattr = on_setattr;
    ops.mknod = refuse<EPERM>;
    ops.mkdir = refuse<EPERM>;
    ops.unlink = refuse<EPERM>;
    ops.rmdir = refuse<EPERM>;
    ops.symlink = refuse<EPERM>;
    ops.rename = refuse<EPERM>;
    ops.link = refuse<EPERM>;
    ops.create = refuse<EPERM>;
    ops.write = on_write;
    return ops;
  }();
  return operations;
}

}  // namespace vpowercap
