// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/base/unique_fd.hpp"
#include "common/ledger/layout.hpp"
#include "common/ledger/reader.hpp"
#include "common/ledger/writer.hpp"
#include "tests/support/mount_sandbox.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

const Uuid first = *Uuid::parse("11111111-1111-4111-8111-111111111111");
const Uuid second = *Uuid::parse("22222222-2222-4222-8222-222222222222");
const Uuid third = *Uuid::parse("33333333-3333-4333-8333-333333333333");

VmRecord record_of(const Uuid& uuid, std::uint64_t energy) {
  VmRecord record;
  record.uuid = uuid;
  record.state = VmState::running;
  record.sockets = 1;
  record.domain_mask = 1;
  record.zone(0, EnergyDomain::package).dynamic_uj = energy;
  return record;
}

struct Ledger : ::testing::Test {
  testing::TempDir dir;
  LedgerOptions options{dir.path("ledger"), "", std::chrono::seconds(60), std::chrono::seconds(1)};
};

TEST_F(Ledger, AReaderSeesWhatWasStored) {
  auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer) << writer.error().message;
  EXPECT_FALSE(writer->took_over());
  ASSERT_TRUE(writer->store_vm(record_of(first, 5)));
  ASSERT_TRUE(writer->store_vm(record_of(second, 6)));
  const auto reader = LedgerReader::open(options.path);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(reader->vms().size(), 2u);
  EXPECT_EQ(reader->find(second)->energy_sum(EnergyDomain::package), 6u);
  writer->drop_vm(second);
  EXPECT_FALSE(reader->find(second));
  EXPECT_EQ(reader->uuids(), std::vector<Uuid>{first});
}

TEST_F(Ledger, AChangeIsSeenWholeOrNotAtAll) {
  auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer->store_vm(record_of(first, 5)));
  const auto reader = LedgerReader::open(options.path);
  writer->begin_change();
  ASSERT_TRUE(writer->store_vm(record_of(second, 6)));
  writer->drop_vm(first);
  EXPECT_EQ(reader->uuids(), std::vector<Uuid>{first});
  writer->commit_change();
  EXPECT_EQ(reader->uuids(), std::vector<Uuid>{second});
}

TEST_F(Ledger, AWriterThatTakesOverForgetsTheChangeOfADeadOne) {
  {
    auto writer = LedgerWriter::open(options);
    ASSERT_TRUE(writer->store_vm(record_of(first, 5)));
    writer->begin_change();
    ASSERT_TRUE(writer->store_vm(record_of(first, 99)));
    ASSERT_TRUE(writer->store_vm(record_of(second, 6)));
    writer->store_host({.tick = 99});
  }
  auto writer = LedgerWriter::open(options);
  ASSERT_EQ(writer->vms().size(), 1u);
  ASSERT_TRUE(writer->store_vm(record_of(third, 7)));  // a change that touches none of them
  const auto reader = LedgerReader::open(options.path);
  EXPECT_EQ(reader->host()->tick, 0u);
  writer->drop_vm(third);
  EXPECT_EQ(reader->uuids(), std::vector<Uuid>{first});
  EXPECT_EQ(reader->find(first)->energy_sum(EnergyDomain::package), 5u);
}

TEST_F(Ledger, AFullLedgerCanChangeItsVmsInOneChange) {
  auto writer = LedgerWriter::open(options);
  Uuid uuid;
  for (std::uint32_t i = 0; i < max_vms; ++i) {
    uuid.bytes[0] = static_cast<std::uint8_t>(i);
    uuid.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    ASSERT_TRUE(writer->store_vm(record_of(uuid, i)));
  }
  writer->begin_change();
  writer->drop_vm(uuid);
  ASSERT_TRUE(writer->store_vm(record_of(second, 1)));
  const auto reader = LedgerReader::open(options.path);
  EXPECT_TRUE(reader->find(uuid));
  EXPECT_FALSE(reader->find(second));
  writer->commit_change();
  EXPECT_FALSE(reader->find(uuid));
  EXPECT_TRUE(reader->find(second));
}

TEST_F(Ledger, ASecondWriterIsRefused) {
  const auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer);
  EXPECT_EQ(LedgerWriter::open(options).error().code, EBUSY);
}

TEST_F(Ledger, ARestartedWriterGoesOnWithEveryCounter) {
  {
    auto writer = LedgerWriter::open(options);
    ASSERT_TRUE(writer->store_vm(record_of(first, 41)));
  }
  const auto reader = LedgerReader::open(options.path);
  auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer);
  EXPECT_TRUE(writer->took_over());
  ASSERT_EQ(writer->vms().size(), 1u);
  ASSERT_TRUE(writer->store_vm(record_of(first, 42)));
  EXPECT_EQ(reader->find(first)->energy_sum(EnergyDomain::package), 42u);
  EXPECT_TRUE(reader->is_current());
}

TEST_F(Ledger, StaleMeansTheWriterWasSilentTooLong) {
  auto writer = LedgerWriter::open(options);
  const auto reader = LedgerReader::open(options.path);
  writer->beat(std::chrono::seconds(100));
  EXPECT_FALSE(reader->is_stale(std::chrono::seconds(160)));
  EXPECT_TRUE(reader->is_stale(std::chrono::seconds(161)));
}

TEST_F(Ledger, AHeartbeatOfTheFutureIsOfAnotherBoot) {
  auto writer = LedgerWriter::open(options);
  const auto reader = LedgerReader::open(options.path);
  writer->beat(std::chrono::seconds(100));
  EXPECT_FALSE(reader->is_stale(std::chrono::seconds(90))) << "the reader was off the CPU";
  EXPECT_TRUE(reader->is_stale(std::chrono::seconds(89)));
}

TEST_F(Ledger, AHeartbeatThatNoClockCanShowIsOfTheFuture) {
  auto writer = LedgerWriter::open(options);
  const auto reader = LedgerReader::open(options.path);
  writer->beat(Nanoseconds::min());
  EXPECT_EQ(reader->heartbeat(), Nanoseconds::max());
  EXPECT_TRUE(reader->is_stale(std::chrono::hours(1)));
}

TEST_F(Ledger, AnIntactOneOfAnotherBootIsNotGoneOnWith) {
  {
    auto writer = LedgerWriter::open(options);
    ASSERT_TRUE(writer->store_vm(record_of(first, 41)));
  }
  std::fstream file(options.path, std::ios::in | std::ios::out | std::ios::binary);
  LedgerHeader header{};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  header.boot_id[0] ^= 1;
  header.check = header_checksum(header);
  file.seekp(0);
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
  file.close();
  const auto reader = LedgerReader::open(options.path);
  ASSERT_TRUE(reader) << reader.error().message;
  const auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer) << writer.error().message;
  EXPECT_FALSE(writer->took_over());
  EXPECT_TRUE(writer->vms().empty());
  EXPECT_FALSE(reader->is_current());
  EXPECT_TRUE(reader->find(first)) << "whoever has it mapped is not disturbed";
}

TEST_F(Ledger, OtherFilesAreRefusedWithTheirName) {
  EXPECT_EQ(LedgerReader::open(options.path).error().code, ENOENT);
  dir.write("ledger", "not a ledger");
  const auto reader = LedgerReader::open(options.path);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, EPROTO);
  EXPECT_NE(reader.error().message.find(options.path), std::string::npos);
  EXPECT_EQ(LedgerWriter::open(options).error().code, EPROTO);
}

/// What began a ledger of versions 1 and 2, which had no checksums.
struct OldHeader {
  std::uint64_t magic = ledger_magic;
  std::uint32_t version = 0;
  std::uint32_t vm_slots = 512;
  std::uint64_t host_slot_size = 2 * 7168 + 16;
  std::uint64_t vm_slot_size = 2 * 9216 + 16;
  std::uint8_t boot_id[16] = {};
  std::uint64_t heartbeat_ns = 5, stale_after_ns = 60'000'000'000, tick_ns = 1'000'000'000;
};

struct LedgerOfAnotherLayout : Ledger {
  void write(const void* header, std::size_t size, std::size_t file_size) const {
    std::string bytes(static_cast<const char*>(header), size);
    bytes.resize(file_size);
    dir.write("ledger", bytes);
  }
  void expect_refused(std::uint32_t version) const {
    const auto before = std::filesystem::file_size(options.path);
    const auto is = options.path + " has layout version " + std::to_string(version);
    const auto writer = LedgerWriter::open(options);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, EPROTO);
    EXPECT_EQ(writer.error().message,
              is + ", this program uses version 3: stop vpowercapd, remove the file, start it again; "
                   "counters then begin anew");
    const auto reader = LedgerReader::open(options.path);
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().message, is + ", this program uses version 3: use programs of one release");
    EXPECT_EQ(std::filesystem::file_size(options.path), before);
  }
};

TEST_F(LedgerOfAnotherLayout, AnEarlierOneIsRefusedWithWhatToDo) {
  for (const std::uint32_t version : {1u, 2u}) {
    OldHeader header;
    header.version = version;
    write(&header, sizeof header, 4096 + header.host_slot_size + 512 * header.vm_slot_size);
    expect_refused(version);
  }
}

TEST_F(LedgerOfAnotherLayout, ALaterOneIsRefusedThoughItsHeaderIsWhole) {
  LedgerHeader header{.magic = ledger_magic, .version = 4, .vm_slots = 1024};
  header.check = header_checksum(header);
  write(&header, sizeof header, 2 * sizeof(LedgerLayout));
  expect_refused(4);
}

/// Else a page that cannot be had is a SIGBUS, in the daemon and in every reader.
TEST(LedgerOnAFullDisk, IsRefusedByNameAndLeavesNothingBehind) {
  if (const auto reason = testing::enter_mount_sandbox(); !reason.empty()) GTEST_SKIP() << reason;
  const testing::MountedTempDir dir("mode=0755,size=1m");
  const auto path = dir.path() + "/ledger";
  const auto writer = LedgerWriter::open({.path = path, .group = ""});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ENOSPC);
  EXPECT_NE(writer.error().message.find(path), std::string::npos) << writer.error().message;
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(LedgerOnAFullDisk, IsNotGoneOnWithWhenItHasHoles) {
  if (const auto reason = testing::enter_mount_sandbox(); !reason.empty()) GTEST_SKIP() << reason;
  const testing::MountedTempDir dir("mode=0755,size=64m");
  const LedgerOptions options{.path = dir.path() + "/ledger", .group = ""};
  {
    auto writer = LedgerWriter::open(options);
    ASSERT_TRUE(writer->store_vm(record_of(first, 41)));
  }
  const auto filler = dir.path() + "/filler";
  {
    const UniqueFd ledger(::open(options.path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status{};
    ASSERT_EQ(::fstat(ledger.get(), &status), 0);
    EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, sizeof(LedgerLayout));
    const auto from = static_cast<off_t>(offsetof(LedgerLayout, vms) + 8 * sizeof(Slot<VmRecord>));
    ASSERT_EQ(::fallocate(ledger.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from,
                          status.st_size - from),
              0);
    const UniqueFd rest(::open(filler.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::string block(1 << 16, 'x');
    while (::write(rest.get(), block.data(), block.size()) > 0) {
    }
  }
  const auto refused = LedgerWriter::open(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ENOSPC);
  EXPECT_NE(refused.error().message.find(options.path), std::string::npos);
  ASSERT_EQ(::unlink(filler.c_str()), 0);
  const auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer) << writer.error().message;
  EXPECT_EQ(writer->vms().at(0).energy_sum(EnergyDomain::package), 41u);
}

TEST_F(Ledger, ADamagedOneIsRefusedWithItsNameAndReadersSeeNoneOfIt) {
  constexpr auto slot = offsetof(LedgerLayout, vms);
  constexpr auto host = offsetof(LedgerLayout, host);
  for (const std::size_t at : {offsetof(LedgerHeader, boot_id), host + sizeof(Slot<HostRecord>) / 4 * 3,
                               slot + sizeof(Slot<VmRecord>) / 4 * 3, slot}) {
    dir.remove("ledger");
    {
      auto writer = LedgerWriter::open(options);
      ASSERT_TRUE(writer->store_vm(record_of(first, 41)));
    }
    std::fstream file(options.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    std::string bytes(1, static_cast<char>(file.get() ^ 1));
    if (at == slot) bytes.assign(sizeof(Slot<VmRecord>), '\0');  // as if it had never been used
    file.seekp(static_cast<std::streamoff>(at));
    file << bytes;
    file.close();
    const auto writer = LedgerWriter::open(options);
    ASSERT_FALSE(writer) << at;
    EXPECT_EQ(writer.error().code, EPROTO);
    EXPECT_NE(writer.error().message.find(options.path + " is damaged"), std::string::npos);
    const auto reader = LedgerReader::open(options.path);
    const bool sees_it =
        reader && (at < slot ? reader->host().has_value() : reader->find(first).has_value());
    EXPECT_FALSE(sees_it) << at;
  }
}

TEST_F(Ledger, IsFullAtItsLimitAndSaysSo) {
  auto writer = LedgerWriter::open(options);
  Uuid uuid;
  for (std::uint32_t i = 0; i < max_vms; ++i) {
    uuid.bytes[0] = static_cast<std::uint8_t>(i);
    uuid.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    ASSERT_TRUE(writer->store_vm(record_of(uuid, i)));
  }
  EXPECT_EQ(writer->store_vm(record_of(second, 0)).error().code, ENOSPC);
  writer->drop_vm(uuid);
  EXPECT_TRUE(writer->store_vm(record_of(second, 0)));
}

TEST(PublishedValue, IsRoundedDownAndNeverZero) {
  EXPECT_EQ(published_value(0, 1000), 1000u);
  EXPECT_EQ(published_value(999, 1000), 1000u);
  EXPECT_EQ(published_value(2999, 1000), 2000u);
}

TEST(WrappedValue, SuitsTheReadersWrapFormula) {
  const std::uint64_t range = 1000;
  const std::uint64_t before = wrapped_value(990, range);
  const std::uint64_t after = wrapped_value(1015, range);
  EXPECT_EQ(range - before + after, 25u);
}

TEST(FixedText, CutsAndTerminates) {
  FixedText<4> text;
  text.assign("abcdef");
  EXPECT_EQ(text.view(), "abc");
}

}  // namespace
}  // namespace vpowercap
