// TLS by OpenSSL: contexts for servers (reloadable certificate) and clients. TLS 1.2 and 1.3.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::net {

struct TlsClientOptions {
  std::string ca_file;  // PEM; empty: the system's trusted authorities
};

/// Certificate and settings shared by connections. Safe from any thread.
class TlsContext {
 public:
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// PEM files: `cert_file` the chain, leaf first. kInvalidArgument naming the file that cannot be used, or when key
  /// and certificate do not belong together.
  static Result<std::shared_ptr<TlsContext>> server(std::string cert_file, std::string key_file);
  /// Verifies the server's chain and name.
  static Result<std::shared_ptr<TlsContext>> client(const TlsClientOptions& options);

  /// Reads the files again. New connections use them from then on; open ones go on with what they have. On failure
  /// the old certificate stays in use. Servers only.
  Result<void> reload();

  struct SslDeleter {
    void operator()(ssl_st* ssl) const;
  };
  using SslPtr = std::unique_ptr<ssl_st, SslDeleter>;
  /// A connection on `fd`. A client's checks that the certificate is for `server_name` (DNS name or address).
  Result<SslPtr> connection(int fd, const std::string& server_name);

 private:
  struct CtxDeleter {
    void operator()(ssl_ctx_st* ctx) const;
  };
  using CtxPtr = std::unique_ptr<ssl_ctx_st, CtxDeleter>;
  TlsContext(CtxPtr ctx, bool is_server, std::string cert_file, std::string key_file);
  static Result<CtxPtr> load_server(const std::string& cert_file, const std::string& key_file);

  const bool is_server_;
  const std::string cert_file_;
  const std::string key_file_;
  std::mutex mutex_;
  CtxPtr ctx_;  // guarded by mutex_
};

}  // namespace millrace::net
