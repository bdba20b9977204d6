// SPDX-License-Identifier: Apache-2.0
#include "host/hypervisor/libvirt_watch.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "common/base/unique_fd.hpp"
#include "host/hypervisor/back_off.hpp"
#include "host/hypervisor/connection.hpp"
#include "host/hypervisor/fake_qemu.hpp"
#include "host/hypervisor/pace.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr const char* test_domain = "6695eb01-f6a4-8304-79aa-97f2502e193f";  // of libvirt's test driver

#ifdef __SANITIZE_THREAD__
constexpr bool is_thread_sanitizer = true;
#else
constexpr bool is_thread_sanitizer = false;
#endif

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
  std::size_t problem_count() {
    const std::lock_guard lock(mutex);
    return problems.size();
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
  watch.start();
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
  watch.start();
  ASSERT_TRUE(wait_for([&] { return lists.size() == 1; }));
  watch.refresh();
  EXPECT_TRUE(wait_for([&] { return lists.size() == 2; }));
}

TEST_F(Watching, TellsOnceThatLibvirtIsAwayAndListsNothing) {
  const std::string uri = "qemu+unix:///system?socket=" + host.dir.path("absent");
  LibvirtWatch watch(options(uri), callbacks());
  watch.start();
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

TEST_F(Watching, FollowsALibvirtThatComesLater) {
  if (is_thread_sanitizer)
    GTEST_SKIP() << "libvirt's test driver destroys a lock it holds when it fails";
  LibvirtWatch watch(options("test://" + host.dir.path("node.xml")), callbacks());
  watch.start();
  ASSERT_TRUE(wait_for([&] { return !problems.empty(); }));
  std::string node = "<node><domain type='test'><name>test</name><uuid>";
  node.append(test_domain);
  node.append("</uuid><memory>8192</memory><os><type>hvm</type></os></domain></node>");
  host.dir.write("node.xml", node);
  ASSERT_TRUE(wait_for([&] { return !lists.empty(); }));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(lists[0].size(), 1u);
  EXPECT_EQ(problems.size(), 1u);
  EXPECT_EQ(infos.size(), 1u);
}

TEST(BackOff, GrowsFromOneSecondToThirtyAndBeginsAnewAfterASuccess) {
  BackOff back_off;
  for (int round = 0; round < 2; ++round) {
    for (const auto wait : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) EXPECT_EQ(back_off.next(), wait);
    back_off.reset();
  }
}

TEST(Pace, ListsFollowEventsAtOnceAndTakeAtMostHalfOfTheTime) {
  Pace pace;
  EXPECT_EQ(pace.wait(100s), 50ms);
  pace.listed(100s, 100s + 2ms);
  EXPECT_EQ(pace.wait(100s + 2ms), 50ms);
  pace.listed(101s, 104s);
  EXPECT_EQ(pace.wait(104s), 3s);
  EXPECT_EQ(pace.wait(106s), 1s);
  EXPECT_EQ(pace.wait(120s), 50ms);
  pace.listed(120s, 180s);
  EXPECT_EQ(pace.wait(180s), 10s);
}

TEST_F(Watching, TellsOnceThatLibvirtDoesNotAnswer) {
  if (is_thread_sanitizer) GTEST_SKIP() << "libvirt's remote driver has locks that it does not know";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  host.dir.path("hung").copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd hung(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(hung.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(hung.get(), 8), 0);
  auto impatient = options("qemu+unix:///system?socket=" + host.dir.path("hung"));
  impatient.patience = 300ms;
  LibvirtWatch watch(impatient, callbacks());
  watch.check();
  watch.start();
  for (int i = 0; i < 400 && problem_count() == 0; ++i) {
    std::this_thread::sleep_for(50ms);
    watch.check();
  }
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(100ms);
    watch.check();
  }
  const std::lock_guard lock(mutex);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("has not answered"), std::string::npos);
  EXPECT_TRUE(lists.empty());
}

TEST_F(Watching, AWatchThatIsNotStartedAsksNobody) {
  LibvirtWatch watch(options("test:///default"), callbacks());
  std::this_thread::sleep_for(100ms);
  const std::lock_guard lock(mutex);
  EXPECT_TRUE(lists.empty());
}

TEST_F(Watching, EndsWhileWaitingForLibvirt) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) {
    LibvirtWatch watch(options("qemu+unix:///system?socket=/nowhere"), callbacks());
    watch.start();
    wait_for([&] { return problems.size() > static_cast<std::size_t>(i); });
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s) << "not after a back-off";
}

}  // namespace
}  // namespace vpowercap
