// Installation: the files of one home folder, by name; shared by every role.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "core/clock.h"
#include "core/result.h"
#include "host/config.h"
#include "host/fd.h"

namespace millrace::apps {

struct Installation {
  std::string home;     // absolute
  std::string sockets;  // folder for unix sockets (host::runtime_dir)

  std::string path(std::string_view name) const { return home + "/" + std::string(name); }
  std::string secret(std::string_view name) const { return home + "/secrets/" + std::string(name); }
  std::string api_socket() const { return sockets + "/api.sock"; }
  std::string feed_socket() const { return sockets + "/feed.sock"; }
  std::string gateway_socket() const { return sockets + "/gateway.sock"; }
  std::string journal_folder() const { return path("journal"); }
  std::string gateway_file() const { return path("gateway.json"); }
  std::string certificate_file() const { return path("certificate.pem"); }  // of what the gateway shows
};

/// Makes the folders (mode 0700) that are missing.
Result<Installation> open_installation(const std::string& home);

/// The configuration with what `up` was told on its command line (kept in HOME/up.json).
Result<host::Config> load_settings(const Installation& installation);

/// Options of `up` that outlive it, since other processes act on them.
struct KeptOptions {
  std::string listen, tls_cert, tls_key;
};
Result<void> keep_options(const Installation& installation, const KeptOptions& options);
/// Whether there are any: `down` has not been there since `up`.
bool has_kept_options(const Installation& installation);
/// Of an installation that is stopped.
void forget_options(const Installation& installation);

/// A role's mark on the home: locked while its process lives, and telling its pid.
class RoleMark {
 public:
  /// kConflict if a process of this role runs on this home.
  static Result<RoleMark> take(const Installation& installation, const std::string& role);

 private:
  explicit RoleMark(host::Fd lock) : lock_(std::move(lock)) {}
  host::Fd lock_;
};

/// Pid of the running process of this role; nullopt if none runs.
std::optional<pid_t> running(const Installation& installation, const std::string& role);

/// Path of this very program.
Result<std::string> own_program();

}  // namespace millrace::apps
