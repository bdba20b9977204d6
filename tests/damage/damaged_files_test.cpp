// SPDX-License-Identifier: Apache-2.0
// A daemon that finds its ledger or its learned idle power damaged: it goes on with every counter, or
// refuses with one sentence that names the file. VPOWERCAP_DAMAGED_FILES says how many of each.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <tuple>

#include "common/base/file.hpp"
#include "common/ledger/layout.hpp"
#include "common/ledger/reader.hpp"
#include "host/sampler/idle_file.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/damage/damage.hpp"
#include "tests/support/fake_proc.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

int rounds() {
  const char* const text = std::getenv("VPOWERCAP_DAMAGED_FILES");
  return text != nullptr ? std::atoi(text) : 300;
}

struct OneZone final : EnergySource {
  ZoneReading zone;
  [[nodiscard]] Method method() const override { return Method::rapl; }
  std::vector<ZoneReading> sample() override { return {zone}; }
  std::vector<Error> take_problems() override { return {}; }
};

/// What readers saw, by VM, socket and domain.
using Seen = std::map<std::tuple<Uuid, std::uint32_t, EnergyDomain>, std::uint64_t>;

Seen all_published(const LedgerReader& reader) {
  Seen seen;
  for (const auto& vm : reader.vms())
    for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
      for (const auto domain : virtual_domains)
        seen[{vm.uuid, socket, domain}] = vm.zone(socket, domain).published_uj;
  return seen;
}

/// A host with one package and two VMs; its ledger's bytes up to behind the slots in use.
struct DamagedLedger : ::testing::Test {
  testing::TempDir dir;
  const std::string path = dir.path("ledger");
  std::string bytes;
  Seen seen;
  std::uint64_t host_uj = 0;
  int gone_on = 0, refused = 0;

  static Uuid uuid(std::uint8_t number) {
    Uuid uuid;
    uuid.bytes.fill(number);
    return uuid;
  }
  std::unique_ptr<Sampler> start() {
    auto source = std::make_unique<OneZone>();
    auto ledger = LedgerWriter::open({path, "", 60s, 1s});
    if (!ledger) {
      EXPECT_EQ(ledger.error().code, EPROTO);
      EXPECT_NE(ledger.error().message.find(path), std::string::npos) << ledger.error().message;
      return nullptr;
    }
    SamplerOptions options{dir.path("proc"), dir.path("sys"), 1s, {.policy = IdlePolicy::none}};
    source_ = source.get();
    return std::make_unique<Sampler>(options, std::move(source), std::move(*ledger),
                                     [](const Error&) {});
  }
  void tick(Sampler& sampler, int second) {
    const Nanoseconds now = 1000s + std::chrono::seconds(second);
    source_->zone = {"intel-rapl:0",
                     "package-0",
                     EnergyDomain::package,
                     0,
                     262143328850,
                     static_cast<std::uint64_t>(second) * 10'000'000,
                     now};
    for (const std::int64_t pid : {71, 72})
      testing::write_thread(proc_, pid, pid, "CPU 0/KVM",
                            static_cast<std::uint64_t>(second) * 400'000'000, 0);
    dir.write("proc/stat", "cpu0 " + std::to_string(second * 90) + " 0 0 0\n");
    sampler.tick(now, now);
  }
  void SetUp() override {
    dir.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
    std::filesystem::create_directory_symlink(proc_.path(), dir.path("proc"));
    for (const std::int64_t pid : {71, 72}) testing::write_process(proc_, pid, "qemu", 1);
    const auto sampler = start();
    ASSERT_TRUE(sampler);
    std::vector<VmDescription> vms;
    for (const std::int64_t pid : {71, 72})
      vms.push_back({.uuid = uuid(static_cast<std::uint8_t>(pid)),
                     .name = "vm",
                     .pid = pid,
                     .pid_start_ticks = 1,
                     .topology = {.vcpus = 2, .sockets = 2}});
    tick(*sampler, 1);
    sampler->set_vms(vms);
    for (int second = 2; second < 8; ++second) tick(*sampler, second);
    const auto reader = LedgerReader::open(path);
    ASSERT_TRUE(reader);
    seen = all_published(*reader);
    host_uj = reader->host()->zones[0].energy_uj;
    ASSERT_GT(seen.at({uuid(71), 0, EnergyDomain::package}), 10'000'000u);
    bytes = read_file_at(AT_FDCWD, path, sizeof(LedgerLayout)).value();
    bytes.resize(offsetof(LedgerLayout, vms) + 4 * sizeof(Slot<VmRecord>));
  }
  /// Puts `content` in the ledger's place, in the whole length unless it was cut off. What it has more
  /// than `bytes` goes behind the end.
  void place(const std::string& content) const {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    const auto begin = std::string_view(content).substr(0, bytes.size());
    ASSERT_TRUE(write_all(fd.get(), begin));
    if (content.size() < bytes.size()) return;
    ASSERT_EQ(::ftruncate(fd.get(), sizeof(LedgerLayout)), 0);
    ASSERT_EQ(::lseek(fd.get(), 0, SEEK_END), static_cast<off_t>(sizeof(LedgerLayout)));
    ASSERT_TRUE(write_all(fd.get(), std::string_view(content).substr(begin.size())));
  }
  void check(const testing::Damaged& damaged) {
    place(damaged.bytes);
    const auto sampler = start();
    if (!sampler) {
      ++refused;
      return;
    }
    ++gone_on;
    tick(*sampler, 8);
    const auto reader = LedgerReader::open(path);
    ASSERT_TRUE(reader) << damaged.how;
    const auto now = all_published(*reader);
    for (const auto& [where, value] : seen) {
      const auto found = now.find(where);
      ASSERT_NE(found, now.end()) << damaged.how << ": a VM is gone";
      ASSERT_GE(found->second, value) << damaged.how << ": a counter went back";
    }
    ASSERT_GE(reader->host()->zones[0].energy_uj, host_uj) << damaged.how;
  }

 private:
  testing::TempDir proc_;
  OneZone* source_ = nullptr;
};

TEST_F(DamagedLedger, IsGoneOnWithOrRefusedByName) {
  std::mt19937_64 random(1);
  check({bytes, "nothing"});
  ASSERT_EQ(gone_on, 1) << "a ledger that nobody touched is gone on with";
  for (int i = 1; i < rounds() && !HasFatalFailure(); ++i) check(testing::damage(bytes, random));
  EXPECT_GT(gone_on, 1);
  EXPECT_GT(refused, 0);
  std::printf("%d damaged ledgers: %d gone on with, no counter went back; %d refused by name\n",
              gone_on + refused, gone_on, refused);
}

TEST(DamagedIdleFile, IsReadOrRefusedByName) {
  const testing::TempDir dir;
  IdleLearner learner;
  for (int i = 0; i < 2000; ++i)
    learner.observe("intel-rapl:" + std::to_string(i % 3) + " package", 7'000'000u + 50'000u * (i % 40),
                    static_cast<std::uint64_t>(i % 20), 20, 1s);
  IdleFile file(dir.path());
  ASSERT_TRUE(file.save(learner.memory()));
  const auto bytes = read_file_at(AT_FDCWD, file.path()).value();
  std::mt19937_64 random(2);
  int read = 0, refused = 0;
  for (int i = 0; i < rounds(); ++i) {
    const auto damaged = testing::damage(bytes, random);
    dir.write("idle.json", damaged.bytes);
    const auto memory = file.load();
    if (!memory) {
      ++refused;
      ASSERT_EQ(memory.error().code, EPROTO) << damaged.how;
      ASSERT_NE(memory.error().message.find(file.path()), std::string::npos);
      continue;
    }
    ++read;
    IdleLearner again;
    again.restore(*memory);
    for (const auto& [zone, cells] : *memory) {
      const auto estimate = again.estimate(zone);
      ASSERT_EQ(estimate.power_uw > 0, estimate.confidence != IdleConfidence::none) << damaged.how;
    }
  }
  EXPECT_GT(refused, 0);
  std::printf("%d damaged idle files: %d read, %d refused by name\n", read + refused, read, refused);
}

}  // namespace
}  // namespace vpowercap
