#include "net/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>

namespace millrace::net {

namespace {

std::string openssl_reason() {
  const char* text = ERR_reason_error_string(ERR_peek_last_error());
  return text != nullptr ? text : "unknown reason";
}

std::unexpected<Error> file_fault(std::string_view what, const std::string& file) {
  return failure(
      ErrorCode::kInvalidArgument,
      fmt::format("cannot use {} '{}' for TLS: {}. Give a readable PEM file", what, file, openssl_reason()));
}

void set_common(ssl_ctx_st* ctx) {
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // RELEASE_BUFFERS: an idle connection holds no 34 KB of record buffers.
  SSL_CTX_set_mode(
      ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  // OpenSSL writes without MSG_NOSIGNAL: a peer that has gone must not end the process.
  std::signal(SIGPIPE, SIG_IGN);
}

/// HTTP/1.1 by ALPN (RFC 7301) for clients that ask; others go on without.
int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                unsigned in_length, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kHttp11, sizeof kHttp11 - 1, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool is_numeric(const std::string& name) {
  unsigned char address[16];
  return inet_pton(AF_INET, name.c_str(), address) == 1 || inet_pton(AF_INET6, name.c_str(), address) == 1;
}

}  // namespace

void TlsContext::SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void TlsContext::CtxDeleter::operator()(ssl_ctx_st* ctx) const { SSL_CTX_free(ctx); }

TlsContext::TlsContext(CtxPtr ctx, bool is_server, std::string cert_file, std::string key_file)
    : is_server_(is_server),
      cert_file_(std::move(cert_file)),
      key_file_(std::move(key_file)),
      ctx_(std::move(ctx)) {}

TlsContext::~TlsContext() = default;

Result<TlsContext::CtxPtr> TlsContext::load_server(const std::string& cert_file,
                                                   const std::string& key_file) {
  ERR_clear_error();
  CtxPtr ctx(SSL_CTX_new(TLS_server_method()));
  if (!ctx) return failure(ErrorCode::kInternal, "create a TLS context: " + openssl_reason());
  set_common(ctx.get());
  SSL_CTX_set_alpn_select_cb(ctx.get(), choose_alpn, nullptr);
  if (SSL_CTX_use_certificate_chain_file(ctx.get(), cert_file.c_str()) != 1)
    return file_fault("certificate", cert_file);
  if (SSL_CTX_use_PrivateKey_file(ctx.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return file_fault("key", key_file);
  if (SSL_CTX_check_private_key(ctx.get()) != 1)
    return file_fault("key (it is not the certificate's)", key_file);
  return ctx;
}

Result<std::shared_ptr<TlsContext>> TlsContext::server(std::string cert_file, std::string key_file) {
  CtxPtr ctx = TRY(load_server(cert_file, key_file));
  using Made = std::shared_ptr<TlsContext>;
  return Made(std::unique_ptr<TlsContext>(new TlsContext(std::move(ctx), true, cert_file, key_file)));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  ERR_clear_error();
  CtxPtr ctx(SSL_CTX_new(TLS_client_method()));
  if (!ctx) return failure(ErrorCode::kInternal, "create a TLS context: " + openssl_reason());
  set_common(ctx.get());
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(ctx.get());
  } else if (SSL_CTX_load_verify_file(ctx.get(), options.ca_file.c_str()) != 1) {
    return file_fault("authorities", options.ca_file);
  }
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(ctx), false, {}, {}));
}

Result<void> TlsContext::reload() {
  if (!is_server_) return failure(ErrorCode::kInvalidArgument, "only a server's certificate can be reloaded");
  CtxPtr fresh = TRY(load_server(cert_file_, key_file_));
  const std::scoped_lock lock(mutex_);
  ctx_ = std::move(fresh);  // open connections hold a reference to the old one
  return {};
}

Result<TlsContext::SslPtr> TlsContext::connection(int fd, const std::string& server_name) {
  SslPtr ssl;
  {
    const std::scoped_lock lock(mutex_);
    ssl.reset(SSL_new(ctx_.get()));
  }
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1)
    return failure(ErrorCode::kExhausted, "create a TLS connection");
  if (is_server_) {
    SSL_set_accept_state(ssl.get());
    return ssl;
  }
  SSL_set_connect_state(ssl.get());
  bool named = false;
  if (is_numeric(server_name)) {
    named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), server_name.c_str()) == 1;
  } else {
    named = SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()) == 1 &&
            SSL_set1_host(ssl.get(), server_name.c_str()) == 1;
  }
  if (!named) return failure(ErrorCode::kInvalidArgument, "the server name is not usable for TLS");
  return ssl;
}

}  // namespace millrace::net
