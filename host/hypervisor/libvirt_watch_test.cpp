// SPDX-License-Identifier: Apache-2.0
#include "host/hypervisor/libvirt_watch.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "host/hypervisor/connection.hpp"
#include "host/hypervisor/fake_qemu.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr const char* test_domain = "6695eb01-f6a4-8304-79aa-97f2502e193f";  // of libvirt's test driver

/// Collects what a watch says and waits for it.
struct Watching : ::testing::Test {
  FakeHost host;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::vector<VmDescription>> lists;
  std::vector<std::string> problems;
  std::vector<std::string> infos;

  LibvirtWatchOptions options(const std::string& uri) const {
    return {.uri = uri, .pid_dir = host.pid_dir, .proc_root = host.proc_root, .defaults = {}};
  }
  LibvirtWatch::Callbacks callbacks() {
    return {[this](std::vector<VmDescription> vms) { add(lists, std::move(vms)); },
            [this](const Error& error) { add(problems, error.message); },
            [this](std::string line) { add(infos, std::move(line)); }};
  }
  template <typename T>
  void add(std::vector<T>& to, T what) {
    const std::lock_guard lock(mutex);
    to.push_back(std::move(what));
    changed.notify_all();
  }
  template <typename Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  }
};

TEST_F(Watching, ListsTheVmsAtOnceAndAfterEachChange) {
  host.start_process(42, test_domain, 7);
  host.write_pid("test", "42");
  LibvirtWatch watch(options("test:///default"), callbacks());
  ASSERT_TRUE(wait_for([&] { return !lists.empty(); }));
  ASSERT_EQ(lists[0].size(), 1u);
  EXPECT_EQ(lists[0][0].uuid.to_string(), test_domain);
  EXPECT_EQ(lists[0][0].pid, 42);
  EXPECT_EQ(lists[0][0].pid_start_ticks, 7u);
  ASSERT_EQ(infos.size(), 1u);

  // The test driver's domains are shared by the connections of one process.
  const auto other = connect_libvirt("test:///default", false);
  ASSERT_TRUE(other);
  const LibvirtDomain domain(::virDomainLookupByName(other->get(), "test"));
  ASSERT_EQ(::virDomainSuspend(domain.get()), 0);
  ASSERT_TRUE(wait_for([&] { return lists.size() >= 2; }));
  EXPECT_EQ(lists.back().size(), 1u) << "a paused VM is still a VM";
  ASSERT_EQ(::virDomainDestroy(domain.get()), 0);
  EXPECT_TRUE(wait_for([&] { return lists.back().empty(); }));
  ASSERT_EQ(::virDomainCreate(domain.get()), 0);
  EXPECT_TRUE(wait_for([&] { return lists.back().size() == 1; }));
  EXPECT_TRUE(problems.empty());
}

TEST_F(Watching, ListsAgainWhenAsked) {
  LibvirtWatch watch(options("test:///default"), callbacks());
  ASSERT_TRUE(wait_for([&] { return lists.size() == 1; }));
  watch.refresh();
  EXPECT_TRUE(wait_for([&] { return lists.size() == 2; }));
}

TEST_F(Watching, TellsOnceThatLibvirtIsAwayAndListsNothing) {
  const std::string uri = "qemu+unix:///system?socket=" + host.dir.path("absent");
  LibvirtWatch watch(options(uri), callbacks());
  ASSERT_TRUE(wait_for([&] { return !problems.empty(); }));
  for (int i = 0; i < 5; ++i) {
    watch.refresh();  // tries again at once
    std::this_thread::sleep_for(20ms);
  }
  const std::lock_guard lock(mutex);
  EXPECT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find(host.dir.path("absent")), std::string::npos);
  EXPECT_TRUE(lists.empty());
  EXPECT_TRUE(infos.empty());
}

TEST_F(Watching, EndsWhileWaitingForLibvirt) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) {
    LibvirtWatch watch(options("qemu+unix:///system?socket=/nowhere"), callbacks());
    wait_for([&] { return problems.size() > static_cast<std::size_t>(i); });
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s) << "not after a back-off";
}

}  // namespace
}  // namespace vpowercap
