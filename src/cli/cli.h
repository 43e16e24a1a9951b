// The command line of Millrace: parsing, and every command that talks to the control API.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace millrace::cli {

/// Exit codes, documented in docs/operations.md.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,       // the platform answered that it could not
  kUsage = 2,        // the command line is wrong
  kNotFound = 3,     // the named thing does not exist
  kDenied = 4,       // the key may not do this
  kUnavailable = 5,  // Millrace is not running, or not ready
};

struct UpOptions {
  std::string home;  // as given; empty: the default
  std::string listen, tls_cert, tls_key;
  bool foreground = false;
  bool json = false;  // of the summary
  bool bare = false;  // start the processes only: no default model, endpoint and first question
};

/// The command that the line names; run once the whole line is parsed. Returns the exit code.
using Chosen = std::function<int()>;

/// What the program can do besides talking to a running Millrace; given by apps. Each returns the exit code.
struct Roles {
  std::function<int(const UpOptions&)> up;
  std::function<int(const std::string& home)> down;
  std::function<int(const std::string& home)> watch;  // the process behind `up`
  std::function<int(const std::string& home)> server;
  std::function<int(const std::string& home)> gateway;
  std::function<int(const std::string& folder)> supervise;
  std::function<int(const std::string& home, bool json)> config_check;
  std::function<void(CLI::App& twin, Chosen& chosen)> add_twin;    // the commands below `millrace twin`
  std::function<void(CLI::App& image, Chosen& chosen)> add_image;  // the commands below `millrace image`
  std::string version;
};

/// Runs the command in `argv`. Results go to stdout, errors and progress to stderr.
int run(int argc, const char* const* argv, const Roles& roles);

}  // namespace millrace::cli
