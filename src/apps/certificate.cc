#include "apps/certificate.h"

#include <fmt/format.h>

#include "host/file.h"
#include "net/url.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::seconds kLookEvery{3};
constexpr std::size_t kMostBytes = 1 << 20;
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END CERTIFICATE-----";

}  // namespace

Result<std::shared_ptr<net::TlsContext>> listener_tls(const host::Config& config, const std::string& host) {
  if (config.listen.tls_cert.empty()) {
    if (net::is_loopback(host)) return nullptr;
    return failure(
        ErrorCode::kInvalidArgument,
        fmt::format("listen on {}: an address beyond loopback needs TLS: give --tls-cert and --tls-key, or "
                    "listen on 127.0.0.1",
                    config.listen.address));
  }
  return net::TlsContext::server(config.listen.tls_cert, config.listen.tls_key);
}

std::string certificates_in(std::string_view pem) {
  std::string out;
  for (std::size_t at = 0; (at = pem.find(kBegin, at)) != std::string_view::npos;) {
    const auto end = pem.find(kEnd, at);
    if (end == std::string_view::npos) break;
    out += pem.substr(at, end + kEnd.size() - at);
    out += '\n';
    at = end;
  }
  return out;
}

Certificate::Certificate(net::Loop& loop, std::shared_ptr<net::TlsContext> tls, const host::Config& config,
                         std::string copy_file, host::Logger& log)
    : loop_(loop),
      tls_(std::move(tls)),
      cert_file_(config.listen.tls_cert),
      key_file_(config.listen.tls_key),
      copy_file_(std::move(copy_file)),
      log_(log) {
  reload();
  loop_.call_after(kLookEvery, [this] { look(); });
}

std::optional<Certificate::Files> Certificate::read() const {
  auto certificate = host::read_file(cert_file_, kMostBytes);
  const auto key = host::read_file(key_file_, kMostBytes);
  if (!certificate || !key) return std::nullopt;
  return Files{.certificate = *std::move(certificate), .key = host::sha256(*key)};
}

void Certificate::look() {
  if (read() != tried_) reload();
  loop_.call_after(kLookEvery, [this] { look(); });
}

// Files that are replaced one after another, or while they are read, are tried again when they have changed once more.
void Certificate::reload() {
  tried_ = read();
  if (auto reloaded = tls_->reload(); !reloaded)
    return log_.error("certificate_not_reloaded", reloaded.error());
  if (!tried_ || read() != tried_) return tried_.reset();
  const auto kept = host::write_file_atomic(copy_file_, certificates_in(tried_->certificate), 0600);
  if (!kept) return log_.error("certificate_not_copied", kept.error());
  log_.info("certificate_loaded", {{"file", cert_file_}});
}

}  // namespace millrace::apps
