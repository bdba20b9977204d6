// SPDX-License-Identifier: Apache-2.0
// Wiring of the daemon's parts; signals and the control socket.
#include "host/daemon/instance.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <set>
#include <stdexcept>
#include <system_error>

#include "common/base/utf8.hpp"
#include "common/log/log.hpp"
#include "common/options/version.hpp"
#include "host/daemon/fixed_changes.hpp"
#include "host/hypervisor/domain_xml.hpp"

namespace vpowercap {
namespace {

constexpr auto save_idle_every = std::chrono::minutes(1);
constexpr auto look_every = std::chrono::seconds(5);

template <typename T>
T checked(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

/// With the model, idle power is the model's own unless configured.
AccountOptions account_options(const DaemonConfig& config, std::size_t packages) {
  auto account = config.sampler.account;
  if (config.energy.source == "model" && !account.idle_uw[0])
    account.idle_uw[0] = config.energy.model.idle_uw / std::max<std::size_t>(1, packages);
  return account;
}

std::size_t count_packages(const std::string& sysfs_root) {
  const auto cpus = read_cpu_map(sysfs_root);
  std::set<std::uint32_t> packages;
  if (cpus)
    for (const auto& [cpu, package] : cpus->package_of) packages.insert(package);
  return packages.size();
}

/// Two descriptors per thread of every VM: asks for as many as may be had.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log::warning("cannot raise the limit of open files");
}

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

}  // namespace

Instance::Instance(DaemonConfig config, int argc, const char* const* argv)
    : config_(std::move(config)), argc_(argc), argv_(argv) {
  const sigset_t set = handled_signals();
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
  if (::mkdir(config_.paths.run_dir.c_str(), 0755) != 0 && errno != EEXIST)
    throw std::system_error(errno, std::generic_category(), "cannot make " + config_.paths.run_dir);
  auto source = checked(make_energy_source(config_.energy, clock_));
  auto ledger = checked(LedgerWriter::open(
      {config_.paths.ledger(), config_.group, config_.stale_after, config_.sampler.tick}));
  log::info("version " + std::string(version) + ", method " + std::string(to_string(source->method())) +
            (ledger.took_over() ? ", going on with the counters in " : ", new ledger ") +
            config_.paths.ledger());
  auto options = config_.sampler;
  options.idle = load_idle();
  options.account = account_options(config_, count_packages(options.sysfs_root));
  sampler_ = std::make_unique<SamplerThread>(
      std::make_unique<Sampler>(options, std::move(source), std::move(ledger),
                                [this](const Error& error) { problems_of_sampler_(error); }),
      options.tick);
  idle_saved_ = clock_.now();
  start_watch(make_watch(config_));
  control_ = std::make_unique<ControlServer>(checked(ControlServer::open(
      config_.paths.control(), config_.group,
      {[this](const Frame& frame) { on_hook(frame); },
       [this](const Frame& frame) { return on_request(frame); },
       [this](const Error& error) {
         problems_of_control_({error.code, "control socket: " + error.message, error.key});
       }})));
}

IdleLearner::Memory Instance::load_idle() {
  if (config_.state_dir.empty()) return {};
  idle_file_.emplace(config_.state_dir);
  auto memory = idle_file_->load();
  if (memory) return std::move(*memory);
  const auto text = memory.error().message + ": idle power is learned anew";
  if (memory.error().code == ENOENT) log::info(text);
  else log::warning(text);
  return {};
}

void Instance::save_idle() {
  idle_saved_ = clock_.now();
  if (!idle_file_) return;
  const auto done = idle_file_->save(sampler_->idle_memory());
  if (!done && !idle_trouble_)
    log::warning(done.error().message + ": learned idle power is lost at the next restart");
  idle_trouble_ = !done;
}

std::unique_ptr<LibvirtWatch> Instance::make_watch(const DaemonConfig& config) {
  if (config.libvirt_uri.empty()) return nullptr;
  LibvirtWatchOptions options;
  options.uri = config.libvirt_uri;
  options.pid_dir = config_.libvirt_pid_dir;
  options.proc_root = config_.sampler.proc_root;
  options.defaults = config.vm_defaults;
  return std::make_unique<LibvirtWatch>(
      options, LibvirtWatch::Callbacks{
                   [this](std::vector<VmDescription> vms) { sampler_->set_vms(std::move(vms)); },
                   [this](const Error& error) {
                     if (error.key.empty()) log::warning(error.message);  // each is another outage
                     else problems_of_vms_({error.code, error.message});
                   },
                   [](const std::string& text) { log::info(text); }});
}

void Instance::start_watch(std::unique_ptr<LibvirtWatch> watch) {
  watch_.reset();  // one at a time
  watch_ = std::move(watch);
  if (watch_) watch_->start();
}

void Instance::on_hook(const Frame& frame) {
  const auto phase = frame.get("phase");
  log::debug("hook: " + std::string(phase) + " " + printable(frame.get("uuid")));
  const bool is_starting =
      phase == "prepare" || phase == "start" || phase == "restore" || phase == "migrate";
  if (is_starting && !frame.get("xml").empty()) {
    auto vm = parse_domain_xml(frame.get("xml"), config_.vm_defaults);
    if (vm) {
      vm->state = VmState::starting;
      sampler_->expect(std::move(*vm));
    } else {
      problems_of_hook_({vm.error().code,
                         "hook message of phase " + printable(phase) + ": " + vm.error().message,
                         std::string(frame.get("uuid"))});
    }
  }
  if (watch_) watch_->refresh();
}

Frame Instance::on_request(const Frame& frame) {
  if (frame.kind == "status")
    return {"status",
            {{"version", version},
             {"pid", std::to_string(::getpid())},
             {"ledger", config_.paths.ledger()},
             {"source", config_.energy.source}}};
  if (frame.kind == "refresh") {
    if (watch_) watch_->refresh();
    return {"done", {}};
  }
  if (frame.kind == "import-state") {
    auto state = parse_hand_over(frame.get("state"));
    const auto taken = state ? sampler_->take_over(std::move(*state)) : tl::unexpected(state.error());
    if (taken) return {"done", {}};
    return {"error", {{"message", taken.error().message}}};
  }
  return {"error", {{"message", "unknown request \"" + printable(frame.kind) + "\""}}};
}

void Instance::reload() {
  try {
    const auto options = parse_options(daemon_spec(), argc_, argv_);
    const auto fresh = read_config(options.value());
    auto watch = make_watch(fresh);  // what can fail comes before what changes
    log::start("vpowercapd", fresh.log_level);
    config_.log_level = fresh.log_level;
    config_.vm_defaults = fresh.vm_defaults;
    config_.sampler.account = fresh.sampler.account;
    config_.libvirt_uri = fresh.libvirt_uri;
    sampler_->set_account_options(account_options(config_, count_packages(config_.sampler.sysfs_root)));
    start_watch(std::move(watch));
    const auto later = fixed_changes(config_, fresh);
    log::info("configuration read again" +
              (later.empty() ? "" : "; at a restart of vpowercapd alone take effect: " + later));
  } catch (const UsageError& error) {
    log::error(error.message + "; keeping the old configuration");
  } catch (const std::exception& error) {
    log::error(std::string(error.what()) + "; keeping the old configuration");
  }
}

int Instance::run() {
  ::sd_notify(0, "READY=1");
  std::array<pollfd, 2> fds{{{signals_.get(), POLLIN, 0}, {control_->fd(), POLLIN, 0}}};
  for (;;) {
    const auto due = std::min<Nanoseconds>(idle_saved_ + save_idle_every - clock_.now(), look_every);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(due, Nanoseconds(0)));
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(wait.count()));
    if (clock_.now() >= idle_saved_ + save_idle_every) save_idle();
    if (watch_) watch_->check();
    control_->serve();
    if (ready <= 0 || fds[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGHUP) {
      reload();
      continue;
    }
    ::sd_notify(0, "STOPPING=1");
    save_idle();
    log::info("ending; counters go on at the next start");
    return 0;
  }
}

int run_daemon(int argc, const char* const* argv) {
  const auto options = parse_options(daemon_spec(), argc, argv);
  if (!options) return 0;
  auto config = read_config(*options);
  log::start("vpowercapd", config.log_level);
  if (options->flag("check-config")) return 0;
  const sigset_t set = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  return Instance(std::move(config), argc, argv).run();
}

}  // namespace vpowercap
