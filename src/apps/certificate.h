// Certificate: the one that the gateway shows. Its files are read again when they have changed, and a copy of what is shown
// tells this machine's own commands what to trust, whatever the files hold meanwhile.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "host/config.h"
#include "host/log.h"
#include "host/sha256.h"
#include "net/loop.h"
#include "net/tls.h"

namespace millrace::apps {

/// For the public listener on `host`; null: plain HTTP. kInvalidArgument if the files cannot be used, or if an address beyond
/// loopback would be served without.
Result<std::shared_ptr<net::TlsContext>> listener_tls(const host::Config& config, const std::string& host);

/// The certificates of a PEM text, without keys that stand beside them.
std::string certificates_in(std::string_view pem);

/// The loop's thread only; the loop runs no longer than this lives.
class Certificate {
 public:
  /// `tls` and the files it was made from. Looks every few seconds from now on.
  Certificate(net::Loop& loop, std::shared_ptr<net::TlsContext> tls, const host::Config& config,
              std::string copy_file, host::Logger& log);
  /// Reads the files now. What cannot be used is logged, and the old one is shown on.
  void reload();

 private:
  struct Files {
    std::string certificate;
    host::Sha256Digest key;
    bool operator==(const Files&) const = default;
  };
  std::optional<Files> read() const;
  void look();

  net::Loop& loop_;
  const std::shared_ptr<net::TlsContext> tls_;
  const std::string cert_file_, key_file_, copy_file_;
  host::Logger& log_;
  std::optional<Files> tried_;  // last
};

}  // namespace millrace::apps
