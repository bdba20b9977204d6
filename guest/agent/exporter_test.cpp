// SPDX-License-Identifier: Apache-2.0
// The exporter over real HTTP, on a tree and a ledger that a test moves.
#include "guest/agent/exporter.hpp"

#include <arpa/inet.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/ledger/writer.hpp"
#include "common/options/options.hpp"
#include "guest/agent/metrics.hpp"
#include "guest/agent/sample_snapshot.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

/// What a scrape would show now, without the way over HTTP.
std::string metrics_of(Agent& agent) {
  return "\n" + prometheus::TextSerializer().Serialize(metric_families(agent.take()));
}

UniqueFd connect_to(std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket.reset();
  return socket;
}

/// The answer to GET /metrics on this machine, head and body; empty when there is none.
std::string scrape(std::uint16_t port) {
  const UniqueFd socket = connect_to(port);
  const std::string request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  return answer;
}

struct Scrape : ::testing::Test {
  testing::TempDir dir;
  SystemClock clock;
  FakeClock scrape_clock;
  LedgerOptions ledger{dir.path("ledger"), "", std::chrono::seconds(60), std::chrono::seconds(1)};

  Scrape() {
    dir.write("powercap/intel-rapl:0/name", "package-0\n");
    dir.write("powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n");
    energy("262143000000");
  }
  void energy(const std::string& value) const {
    dir.write("powercap/intel-rapl:0/energy_uj", value + "\n");
  }
  LedgerWriter write_ledger(std::string_view vm_name) const {
    auto writer = LedgerWriter::open(ledger);
    if (!writer) throw std::runtime_error(writer.error().message);
    writer->beat(clock.now());
    writer->store_host(testing::host_record());
    (void)writer->store_vm(testing::vm_record(vm_name));
    return std::move(*writer);
  }
};

void expect_line(const std::string& answer, const std::string& line) {
  EXPECT_NE(answer.find("\n" + line + "\n"), std::string::npos) << "no " << line << " in\n" << answer;
}

TEST_F(Scrape, ShowsZonesAndCountsOnAcrossAWrap) {
  Agent agent(dir.path("powercap"), dir.path("ledger"), clock);
  const Exporter exporter(agent, scrape_clock, "127.0.0.1:0", nullptr);
  const std::string zone =
      "vpowercap_zone_joules_total{zone=\"intel-rapl:0\",name=\"package-0\",domain=\"package\","
      "package=\"0\"} ";
  const auto first = scrape(exporter.port());
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200")) << first;
  EXPECT_NE(first.find("Content-Type: text/plain"), std::string::npos);
  expect_line(first, "# TYPE vpowercap_zone_joules_total counter");
  expect_line(first, zone + "262143");
  EXPECT_EQ(first.find("vpowercap_vm_"), std::string::npos);
  EXPECT_EQ(first.find("vpowercap_ledger_"), std::string::npos);
  energy("671150");
  scrape_clock.advance(std::chrono::seconds(1));
  expect_line(scrape(exporter.port()), zone + "262144");
}

/// What our lines say, without those of the HTTP server on itself.
std::string metrics_in(const std::string& answer) {
  std::istringstream lines(answer);
  std::string ours;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("vpowercap_")) ours += line + "\n";
  return ours;
}

TEST_F(Scrape, ShowsNothingNewWithinASecond) {
  const auto writer = write_ledger("first");
  Agent agent(dir.path("powercap"), ledger.path, clock);
  const Exporter exporter(agent, scrape_clock, "127.0.0.1:0", nullptr);
  const auto first = metrics_in(scrape(exporter.port()));
  EXPECT_NE(first.find("vpowercap_zone_joules_total{"), std::string::npos);
  energy("262143900000");
  dir.write("powercap/intel-rapl:1/name", "package-1\n");
  scrape_clock.advance(std::chrono::milliseconds(999));
  EXPECT_EQ(metrics_in(scrape(exporter.port())), first);
  scrape_clock.advance(std::chrono::milliseconds(1));
  EXPECT_NE(metrics_in(scrape(exporter.port())), first);
}

TEST_F(Scrape, AZoneThatFailsIsAbsentAndCounted) {
  Agent agent(dir.path("powercap"), dir.path("ledger"), clock);
  (void)metrics_of(agent);
  energy("bad");
  const auto answer = metrics_of(agent);
  EXPECT_EQ(answer.find("vpowercap_zone_joules_total"), std::string::npos);
  expect_line(answer, "vpowercap_zone_read_errors_total{zone=\"intel-rapl:0\"} 1");
  expect_line(answer, "vpowercap_problems 1");
}

TEST_F(Scrape, ShowsTheLedgerWithHostileNamesEscaped) {
  auto writer = write_ledger("a\"b\\c\nd\xff{}");
  Agent agent(dir.path("powercap"), ledger.path, clock);
  const auto answer = metrics_of(agent);
  const std::string vm =
      "{uuid=\"11111111-2222-4333-8444-555555555555\",vm=\"a\\\"b\\\\c\\nd\xef\xbf\xbd{}\"";
  expect_line(answer, "vpowercap_vm_joules_total" + vm +
                          ",domain=\"package\",socket=\"0\",method=\"model\"} 3");
  expect_line(answer, "vpowercap_vm_idle_joules_total" + vm +
                          ",domain=\"package\",socket=\"0\",method=\"model\"} 1");
  expect_line(answer, "vpowercap_vm_cpu_seconds_total" + vm + "} 2.5");
  expect_line(answer, "vpowercap_vm_info" + vm +
                          ",state=\"running\",vcpus=\"4\",sockets=\"2\",method=\"model\","
                          "idle_policy=\"reserved\"} 1");
  const std::string host =
      "{zone=\"intel-rapl:0\",name=\"package-0\",domain=\"package\",package=\"0\",method=\"model\"}";
  expect_line(answer, "vpowercap_host_joules_total" + host + " 9");
  expect_line(answer, "vpowercap_host_remainder_joules_total" + host + " 4");
  expect_line(answer, "vpowercap_host_idle_joules_total" + host + " 3");
  expect_line(answer, "vpowercap_host_gaps_total" + host + " 2");
  expect_line(answer, "vpowercap_method_info{method=\"model\"} 1");
}

TEST_F(Scrape, AStaleLedgerShowsItsAgeAndNoVm) {
  auto writer = write_ledger("web");
  writer.beat(clock.now() - std::chrono::seconds(61));
  Agent agent(dir.path("powercap"), ledger.path, clock);
  const auto answer = metrics_of(agent);
  EXPECT_NE(answer.find("\nvpowercap_ledger_age_seconds 61."), std::string::npos) << answer;
  EXPECT_EQ(answer.find("vpowercap_vm_"), std::string::npos);
  writer.beat(clock.now());
  EXPECT_NE(metrics_of(agent).find("vpowercap_vm_joules_total"), std::string::npos);
}

TEST_F(Scrape, FollowsALedgerThatComesLaterAndOneThatReplacesIt) {
  Agent agent(dir.path("powercap"), ledger.path, clock);
  EXPECT_EQ(metrics_of(agent).find("vpowercap_vm_"), std::string::npos);
  {
    const auto writer = write_ledger("first");
    EXPECT_NE(metrics_of(agent).find("vm=\"first\""), std::string::npos);
  }
  dir.remove("ledger");
  const auto writer = write_ledger("second");
  const auto answer = metrics_of(agent);
  EXPECT_NE(answer.find("vm=\"second\""), std::string::npos);
  EXPECT_EQ(answer.find("vm=\"first\""), std::string::npos);
}

TEST_F(Scrape, AHostWithoutATreeButWithALedgerHasNoProblem) {
  Agent agent(dir.path("absent"), ledger.path, clock);
  expect_line(metrics_of(agent), "vpowercap_problems 1");
  const auto writer = write_ledger("web");
  expect_line(metrics_of(agent), "vpowercap_problems 0");
  dir.write("absent/intel-rapl:0/name",
            "package-0\n");  // a zone that lacks its files is one all the same
  expect_line(metrics_of(agent), "vpowercap_problems 1");
}

TEST_F(Scrape, AnUnusableLedgerIsAProblemAndNotTheEnd) {
  dir.write("ledger", "not a ledger");
  Agent agent(dir.path("powercap"), ledger.path, clock);
  const auto answer = metrics_of(agent);
  expect_line(answer, "vpowercap_problems 1");
  EXPECT_NE(answer.find("vpowercap_zone_joules_total{"), std::string::npos);
  EXPECT_THROW(agent.require_ledger(), std::runtime_error);
}

TEST_F(Scrape, ManyAtOnceAllSucceedAndAreOneReading) {
  Agent agent(dir.path("powercap"), dir.path("ledger"), clock);
  int seen = 0;
  const Exporter exporter(agent, scrape_clock, "127.0.0.1:0", [&](const Snapshot&) { ++seen; });
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] {
      for (int n = 0; n < 10; ++n)
        good += scrape(exporter.port()).find("vpowercap_zone_joules_total{") != std::string::npos;
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 40);
  EXPECT_EQ(seen, 1);
}

TEST_F(Scrape, ThoseWhoConnectAndSayNothingHoldUpNobodyForLong) {
  Agent agent(dir.path("powercap"), dir.path("ledger"), clock);
  const Exporter exporter(agent, scrape_clock, "127.0.0.1:0", nullptr);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(connect_to(exporter.port()));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto before = clock.now();
  EXPECT_TRUE(scrape(exporter.port()).starts_with("HTTP/1.1 200"));
  EXPECT_LT(clock.now() - before, std::chrono::seconds(25));
}

TEST_F(Scrape, ATakenPortIsNamed) {
  Agent agent(dir.path("powercap"), dir.path("ledger"), clock);
  const Exporter first(agent, scrape_clock, "127.0.0.1:0", nullptr);
  const std::string taken = "127.0.0.1:" + std::to_string(first.port());
  try {
    const Exporter second(agent, scrape_clock, taken, nullptr);
    ADD_FAILURE() << "listened twice on " << taken;
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(taken), std::string::npos);
  }
}

TEST_F(Scrape, PromtoolFindsNothingToComplainAbout) {
  const char* given = std::getenv("VPOWERCAP_PROMTOOL");
  const std::string promtool = given != nullptr ? given : "promtool";
  if (std::system(("command -v " + promtool + " >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP()
        << "promtool is not on PATH (Debian package prometheus); VPOWERCAP_PROMTOOL can name it";
  const auto writer = write_ledger("a\"b\\c\nd\xff{}");
  Agent agent(dir.path("powercap"), ledger.path, clock);
  const Exporter exporter(agent, scrape_clock, "127.0.0.1:0", nullptr);
  (void)scrape(exporter.port());
  const auto answer = scrape(exporter.port());
  dir.write("metrics", answer.substr(answer.find("\r\n\r\n") + 4));
  const int status = std::system(
      (promtool + " check metrics <" + dir.path("metrics") + " >" + dir.path("said") + " 2>&1")
          .c_str());
  std::ifstream said(dir.path("said"));
  const std::string words((std::istreambuf_iterator<char>(said)), std::istreambuf_iterator<char>());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << words;
  EXPECT_EQ(words, "");
}

TEST(ListeningPort, TakesHostPortAndNothingElse) {
  EXPECT_EQ(listening_port("127.0.0.1:9955"), "127.0.0.1:9955");
  EXPECT_EQ(listening_port("[::1]:80"), "[::1]:80");
  EXPECT_EQ(listening_port(":80"), "+80");
  EXPECT_EQ(listening_port("localhost:0"), "localhost:0");
  for (const char* wrong : {"", "9955", "host:", "host:65536", "host:http", "::1:80", "a,b:80", "[]:80",
                            "host:80\n", "host:-1", "127.0.0.1:80,81"})
    EXPECT_THROW((void)listening_port(wrong), UsageError) << wrong;
}

}  // namespace
}  // namespace vpowercap
