// SPDX-License-Identifier: Apache-2.0
// What each request means, without a mount.
#include "fuse-fs/session/filesystem.hpp"

#include <unistd.h>

#include <filesystem>
#include <set>

#include "tests/support/temp_dir.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap {
namespace {

using testing::known_vm;
using testing::unknown_vm;
using testing::vm_record;

class FilesystemTest : public ::testing::Test {
 protected:
  void SetUp() override { start_writer(); }
  void start_writer() {
    writer_.reset();
    auto opened = LedgerWriter::open({.path = path_, .group = ""});
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::make_unique<LedgerWriter>(std::move(*opened));
    writer_->beat(clock_.now());
  }
  void store(const Uuid& uuid, std::uint64_t published_uj) {
    ASSERT_TRUE(writer_->store_vm(vm_record(uuid, published_uj)));
  }
  [[nodiscard]] Result<NodeId> walk(const std::vector<std::string>& names) const {
    NodeId id = root_id;
    for (const auto& name : names) {
      const auto inode = filesystem_.lookup(id, name);
      if (!inode) return tl::unexpected(inode.error());
      id = inode->id;
    }
    return id;
  }
  [[nodiscard]] std::set<std::string> names(NodeId id) const {
    std::set<std::string> found;
    const auto entries = filesystem_.list(id, 0);
    for (const auto& entry : entries.value()) found.insert(entry.name);
    return found;
  }
  [[nodiscard]] std::vector<std::string> energy_of(const Uuid& uuid) const {
    return {uuid.to_string(), "intel-rapl", "intel-rapl:0", "energy_uj"};
  }

  testing::TempDir dir_;
  std::string path_ = dir_.path("ledger");
  FakeClock clock_;
  std::vector<std::string> reports_;
  LedgerSource source_{path_, clock_,
                       [this](std::string_view report) { reports_.emplace_back(report); }};
  Filesystem filesystem_{source_};
  std::unique_ptr<LedgerWriter> writer_;
};

TEST_F(FilesystemTest, RootListsTheKnownAndFindsAllInCanonicalForm) {
  store(known_vm, 5);
  EXPECT_EQ(names(root_id), (std::set<std::string>{".", "..", known_vm.to_string()}));
  EXPECT_TRUE(walk({known_vm.to_string()}));
  EXPECT_TRUE(walk({unknown_vm.to_string()}));
  for (const auto* name :
       {"C7A5FDBD-EDAF-9455-926A-D65C16DB1809", "c7a5fdbdedaf9455926ad65c16db1809", "..", "", "x",
        "c7a5fdbd-edaf-9455-926a-d65c16db180", "{c7a5fdbd-edaf-9455-926a-d65c16db1809}"})
    EXPECT_EQ(walk({name}).error().code, ENOENT) << name;
}

TEST_F(FilesystemTest, AnUnknownVmHasAnEmptyTreeUntilItIsKnown) {
  const auto directory = walk({unknown_vm.to_string(), "intel-rapl"}).value();
  EXPECT_FALSE(names(directory).contains("intel-rapl:0"));
  EXPECT_EQ(
      filesystem_.content(walk({unknown_vm.to_string(), "intel-rapl", "enabled"}).value()).value(),
      "1\n");
  store(unknown_vm, 7);
  EXPECT_TRUE(names(directory).contains("intel-rapl:0"));
  EXPECT_EQ(filesystem_.content(walk(energy_of(unknown_vm)).value()).value(), "7\n");
}

TEST_F(FilesystemTest, AFileOfAVmThatIsGoneIsNobodyElses) {
  store(known_vm, 5);
  const auto energy = walk(energy_of(known_vm)).value();
  writer_->drop_vm(known_vm);
  store(unknown_vm, 7);  // takes the slot
  EXPECT_EQ(filesystem_.content(energy).error().code, ENOENT);
  EXPECT_EQ(filesystem_.inode(energy).error().code, ENOENT);
  store(known_vm, 6);
  EXPECT_EQ(filesystem_.content(energy).value(), "6\n");
}

TEST_F(FilesystemTest, AnotherInstanceUnderstandsTheSameNumbers) {
  store(known_vm, 5);
  const auto energy = walk(energy_of(known_vm)).value();
  LedgerSource later(path_, clock_, nullptr);
  EXPECT_EQ(Filesystem(later).content(energy).value(), "5\n");
}

TEST_F(FilesystemTest, AnOpenEnergyFileWaitsForALedgerThatCannotBeReadYet) {
  store(known_vm, 5);
  const auto energy = walk(energy_of(known_vm)).value();
  const auto name = walk({known_vm.to_string(), "intel-rapl", "intel-rapl:0", "name"}).value();
  LedgerSource none(dir_.path("none"), clock_, nullptr);
  const Filesystem successor(none);
  EXPECT_EQ(successor.content(energy).error().code, ENODATA);
  EXPECT_EQ(successor.content(name).error().code, ENOENT);
  ASSERT_EQ(::link(path_.c_str(), dir_.path("none").c_str()), 0);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(successor.content(energy).value(), "5\n");
}

TEST_F(FilesystemTest, EnergyAloneIsRefusedWhileTheWriterIsSilent) {
  store(known_vm, 5);
  const auto energy = walk(energy_of(known_vm)).value();
  const auto name = walk({known_vm.to_string(), "intel-rapl", "intel-rapl:0", "name"}).value();
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(filesystem_.content(energy).value(), "5\n");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(filesystem_.content(energy).error().code, ENODATA);
  EXPECT_EQ(filesystem_.content(name).value(), "package-0\n");
  writer_->beat(clock_.now());
  EXPECT_EQ(filesystem_.content(energy).value(), "5\n");
}

TEST_F(FilesystemTest, FollowsALedgerThatAppearsOrIsReplaced) {
  store(known_vm, 5);
  const auto energy = walk(energy_of(known_vm)).value();
  EXPECT_EQ(filesystem_.content(energy).value(), "5\n");
  std::filesystem::remove(path_);
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(filesystem_.content(energy).value(), "5\n");  // the old one, until its age tells
  start_writer();
  store(known_vm, 6);
  EXPECT_EQ(filesystem_.content(energy).value(), "5\n");  // looked a moment ago
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(filesystem_.content(energy).value(), "6\n");
  ASSERT_EQ(reports_.size(), 2u);
  EXPECT_NE(reports_[0].find(path_), std::string::npos);
  EXPECT_EQ(reports_[1], "");
}

TEST_F(FilesystemTest, AListingGoesOnWhereItStopped) {
  for (std::uint8_t i = 0; i < 40; ++i) store(Uuid{{i, 1}}, 5);
  std::set<std::string> seen;
  std::uint64_t position = 0;
  for (auto entries = filesystem_.list(root_id, 0).value(); !entries.empty();
       entries = filesystem_.list(root_id, position).value()) {
    EXPECT_TRUE(seen.insert(entries.front().name).second);
    EXPECT_GT(entries.front().position, position);
    position = entries.front().position;
    writer_->drop_vm(Uuid{{static_cast<std::uint8_t>(seen.size()), 1}});  // VMs go meanwhile
    store(Uuid{{static_cast<std::uint8_t>(seen.size()), 2}}, 5);          // and come
  }
  EXPECT_TRUE(seen.contains(Uuid{{0, 1}}.to_string()));
  EXPECT_EQ(filesystem_.list(walk(energy_of(Uuid{{0, 1}})).value(), 0).error().code, ENOTDIR);
}

TEST_F(FilesystemTest, NumbersThatWereNeverGivenAreRefused) {
  for (const NodeId id : {NodeId{0}, NodeId{2}, NodeId{65535}, ~NodeId{0}}) {
    EXPECT_EQ(filesystem_.inode(id).error().code, ENOENT);
    EXPECT_EQ(filesystem_.lookup(id, "name").error().code, ENOENT);
    EXPECT_EQ(filesystem_.content(id).error().code, ENOENT);
    EXPECT_EQ(filesystem_.list(id, 0).error().code, ENOENT);
  }
}

}  // namespace
}  // namespace vpowercap
