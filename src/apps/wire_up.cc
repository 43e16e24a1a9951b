// up: from nothing to a platform that answers; and the check of the configuration.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "apps/first_steps.h"
#include "apps/installation.h"
#include "apps/roles.h"
#include "apps/secrets.h"
#include "apps/settings_check.h"
#include "cli/output.h"
#include "host/file.h"
#include "host/process.h"
#include "net/blocking_client.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::seconds kStartWithin{30};
constexpr std::chrono::milliseconds kPoll{50};

/// Other processes, in other folders, act on it.
std::string absolute_path(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).lexically_normal().string();
}

/// The end of what a role wrote to stderr, for a start that failed.
std::string last_words(const Installation& installation) {
  std::string words;
  for (const char* role : {"watch", "server", "gateway"}) {
    const auto text = host::read_file(installation.path(fmt::format("logs/{}.err", role)), 1 << 20);
    if (text && !text->empty()) words += *text;
  }
  while (words.ends_with('\n')) words.pop_back();
  return words;
}

Result<void> start_watch(const Installation& installation, pid_t& foreground_pid, bool foreground) {
  const auto errors_path = installation.path("logs/watch.err");
  host::ProcessSpec spec;
  spec.argv = {TRY(own_program()), "watch", "--home", installation.home};
  if (foreground) {
    spec.stderr_fd = STDERR_FILENO;
    foreground_pid = TRY(host::spawn(spec));
  } else {
    TRY_VOID(host::spawn_daemon(spec));
  }
  return {};
}

bool is_ready(const std::string& url, const std::string& ca_file) {
  net::BlockingRequest request;
  request.url = url + "/readyz";
  request.ca_file = ca_file;
  request.timeout = std::chrono::seconds{2};
  const auto answer = net::request(request);
  return answer && answer->status == 200;
}

/// Waits until the gateway of this installation and the server behind it answer, and the watcher keeps them: after it
/// was killed, the two may run on without it.
Result<cli::Settings> wait_until_up(const Installation& installation, const std::string& home) {
  const auto until = std::chrono::steady_clock::now() + kStartWithin;
  while (true) {
    if (running(installation, "watch") && running(installation, "gateway") &&
        running(installation, "server")) {
      auto settings = cli::find_settings(home.empty() ? installation.home : home);
      if (settings && is_ready(settings->url, settings->ca_file) &&
          cli::Client(*settings).call("GET", "/api/v1/readyz")) {
        return settings;
      }
    }
    const auto words = last_words(installation);
    const bool too_late = std::chrono::steady_clock::now() > until;
    if (!words.empty() || too_late) {
      return failure(
          ErrorCode::kUnavailable,
          words.empty()
              ? fmt::format("Millrace did not answer within {} s and no process said why; see {}/logs",
                            kStartWithin.count(), installation.home)
              : fmt::format("Millrace did not start: {}\nsee {}/logs; another address: --listen HOST:PORT",
                            words, installation.home));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

/// `first`: null if nothing was asked.
void print_summary(const Installation& installation, const cli::Settings& settings,
                   const boost::json::value& first, bool as_json) {
  if (as_json) {
    return cli::print_json({{"home", installation.home},
                            {"api", settings.url + "/v1"},
                            {"console", settings.url + "/console/"},
                            {"key", settings.key},
                            {"key_file", installation.secret("bootstrap.key")},
                            {"first_answer", first}});
  }
  if (!first.is_null()) print_first_answer(first);
  fmt::print("API       {}/v1\n", settings.url);
  fmt::print("Console   {}/console/\n", settings.url);
  fmt::print("Key       {}\n          bootstrap key, also in {}\n", settings.key,
             installation.secret("bootstrap.key"));
  fmt::print(
      "Use it    eval \"$(millrace env)\"   then any OpenAI or Anthropic client works; or: millrace chat\n");
  fmt::print("Stop      make down   or: millrace down\n");
}

Result<void> start(const cli::UpOptions& options, pid_t& foreground_pid) {
  const auto installation = TRY(open_installation(options.home));
  const bool started_now = !running(installation, "watch");
  if (started_now) {
    for (const char* role : {"watch", "server", "gateway"}) {
      TRY_VOID(host::remove_tree(installation.path(fmt::format("logs/{}.err", role))));
    }
    if (options.tls_cert.empty() != options.tls_key.empty()) {
      return failure(ErrorCode::kInvalidArgument, "up: --tls-cert and --tls-key go together");
    }
    // What was killed, not stopped, goes on as it was: its gateway may still listen where it was told to.
    const bool is_told = !options.listen.empty() || !options.tls_cert.empty();
    if (is_told || !has_kept_options(installation)) {
      TRY_VOID(keep_options(
          installation, {options.listen, absolute_path(options.tls_cert), absolute_path(options.tls_key)}));
    }
    const host::Config config = TRY(load_settings(installation));
    TRY_VOID(check_settings(config));
    TRY_VOID(make_secrets(installation));
    fmt::print(stderr, "starting Millrace at {}\n", installation.home);
    TRY_VOID(start_watch(installation, foreground_pid, options.foreground));
  } else {
    if (!options.listen.empty()) {
      fmt::print(stderr, "Millrace runs already; --listen takes effect after: millrace down\n");
    }
    if (options.foreground) return failure(ErrorCode::kConflict, "Millrace runs already on this home");
  }
  auto up = wait_until_up(installation, options.home);
  if (!up) {
    if (started_now)
      run_down(installation.home);  // a half-started platform would go on trying in the background
    return std::unexpected(std::move(up.error()));
  }
  const auto settings = std::move(*up);
  const cli::Client client(settings);
  boost::json::value first;
  if (!options.bare) {
    TRY_VOID(make_defaults(client));
    first = TRY(ask_first_question(client));
  }
  print_summary(installation, settings, first, options.json);
  return {};
}

std::atomic<pid_t> interrupted_pid = 0;
static_assert(std::atomic<pid_t>::is_always_lock_free, "a signal handler reads it");
void pass_on(int number) {
  if (const pid_t pid = interrupted_pid; pid > 0) ::kill(pid, number);
}

/// Stays until the watcher ends; Ctrl-C and SIGTERM are passed to it.
int stay(pid_t watch) {
  interrupted_pid = watch;
  ::signal(SIGINT, pass_on);
  ::signal(SIGTERM, pass_on);
  std::fflush(stdout);
  int status = 0;
  while (::waitpid(watch, &status, 0) < 0 && errno == EINTR) {
  }
  return host::exit_code_of(status);
}

}  // namespace

int run_up(const cli::UpOptions& options) {
  pid_t watch = 0;
  if (const auto started = start(options, watch); !started) {
    if (watch > 0) {
      ::kill(watch, SIGTERM);
      ::waitpid(watch, nullptr, 0);
    }
    return cli::report(started.error());
  }
  return options.foreground ? stay(watch) : cli::kOk;
}

int check_config(const std::string& home, bool as_json) {
  const auto installation = open_installation(home);
  if (!installation) return cli::report(installation.error());
  const auto config = load_settings(*installation);
  if (!config) return cli::report(config.error());
  if (const auto checked = check_settings(*config); !checked) return cli::report(checked.error());
  if (as_json) {
    cli::print_json({{"file", installation->home + "/config.toml"},
                     {"listen", config->listen.address},
                     {"tls", !config->listen.tls_cert.empty()},
                     {"site", config->site.name},
                     {"zone", config->site.zone},
                     {"pue", config->site.pue}});
    return cli::kOk;
  }
  fmt::print("{}/config.toml is right\n", installation->home);
  fmt::print("listen   {}{}\n", config->listen.address, config->listen.tls_cert.empty() ? "" : " (TLS)");
  fmt::print("site     {} in zone {}, PUE {}\n", config->site.name, config->site.zone, config->site.pue);
  return cli::kOk;
}

}  // namespace millrace::apps
