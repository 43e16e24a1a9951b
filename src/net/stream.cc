#include "net/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace millrace::net {

IoState Stream::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return IoState::kOk;
  const int error = SSL_get_error(ssl_.get(), done);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? IoState::kBlocked : IoState::kFailed;
}

bool Stream::wants_write() const { return ssl_ != nullptr && SSL_want_write(ssl_.get()); }

std::string Stream::handshake_fault() const {
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char* text = ERR_reason_error_string(ERR_peek_error());
  return text != nullptr ? text : "the connection was cut off during the TLS handshake";
}

IoResult Stream::read(std::span<char> into) {
  if (ssl_ != nullptr) return read_tls(into);
  while (true) {
    const auto got = ::recv(fd_.get(), into.data(), into.size(), 0);
    if (got > 0) return {IoState::kOk, static_cast<std::size_t>(got)};
    if (got == 0) return {IoState::kClosed, 0};
    if (errno == EINTR) continue;
    return {errno == EAGAIN ? IoState::kBlocked : IoState::kFailed, 0};
  }
}

IoResult Stream::read_tls(std::span<char> into) {
  std::size_t total = 0;
  while (total < into.size()) {
    ERR_clear_error();
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
    if (done == 1) {
      total += got;
      continue;
    }
    if (total > 0) break;  // the end or the fault is met again by the next read
    switch (SSL_get_error(ssl_.get(), done)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return {IoState::kBlocked, 0};
      case SSL_ERROR_ZERO_RETURN:
        return {IoState::kClosed, 0};
      default:
        return {IoState::kFailed, 0};
    }
  }
  return {IoState::kOk, total};
}

IoResult Stream::write(std::string_view bytes) {
  if (ssl_ != nullptr) return write_tls(bytes);
  while (true) {
    const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) return {IoState::kOk, static_cast<std::size_t>(sent)};
    if (errno == EINTR) continue;
    return {errno == EAGAIN ? IoState::kBlocked : IoState::kFailed, 0};
  }
}

IoResult Stream::write_tls(std::string_view bytes) {
  ERR_clear_error();
  std::size_t sent = 0;
  const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (done == 1) return {IoState::kOk, sent};
  const int error = SSL_get_error(ssl_.get(), done);
  const bool blocked = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  return {blocked ? IoState::kBlocked : IoState::kFailed, 0};
}

void Stream::shutdown_write() {
  if (ssl_ != nullptr && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(fd_.get(), SHUT_WR);
}

}  // namespace millrace::net
