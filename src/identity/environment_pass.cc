#include "identity/environment_pass.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <array>
#include <charconv>

#include "host/base64.h"
#include "identity/key.h"

namespace millrace::identity {
namespace {

constexpr std::size_t kTextMax = 256;
constexpr std::size_t kMacCharacters = 43;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string mac_of(std::string_view body, PassKind kind, const KeyDigest& secret,
                   std::string_view environment) {
  static_assert(std::tuple_size_v<KeyDigest> == Pepper::kBytes);
  const auto key = Pepper::create(secret);
  // Names hold no line break, so the parts cannot run into each other.
  const auto digest = digest_key(
      *key,
      fmt::format("millrace {}\n{}\n{}", kind == PassKind::kToken ? "token" : "cookie", environment, body));
  return host::base64_url({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

/// The part of `text` before the next dot, which is taken away with it.
std::string_view take_part(std::string_view& text) {
  const std::size_t dot = text.find('.');
  const auto part = text.substr(0, dot);
  text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  return part;
}

bool is_word(std::string_view text) {
  return !text.empty() && text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

}  // namespace

Pass make_pass(std::string_view key_id, std::chrono::seconds life, TimePoint now, Rng& rng) {
  const std::array<std::uint64_t, 2> random{rng.next(), rng.next()};
  const auto expires = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()) + life;
  return {.key_id = std::string(key_id),
          .expires_s = expires.count(),
          .nonce = host::base64_url({reinterpret_cast<const char*>(random.data()), sizeof random})};
}

std::string seal(const Pass& pass, PassKind kind, const KeyDigest& secret, std::string_view environment) {
  const std::string body = fmt::format("{}.{}.{}", pass.expires_s, pass.key_id, pass.nonce);
  return body + "." + mac_of(body, kind, secret, environment);
}

std::optional<Pass> unseal(std::string_view text, PassKind kind, const KeyDigest& secret,
                           std::string_view environment, TimePoint now) {
  if (text.size() > kTextMax || text.size() <= kMacCharacters) return std::nullopt;
  std::string_view rest = text;
  const auto expires = take_part(rest);
  const auto key_id = take_part(rest);
  const auto nonce = take_part(rest);
  if (!is_word(key_id) || !is_word(nonce) || rest.size() != kMacCharacters) return std::nullopt;
  const std::string mac = mac_of(text.substr(0, text.size() - rest.size() - 1), kind, secret, environment);
  if (CRYPTO_memcmp(mac.data(), rest.data(), mac.size()) != 0) return std::nullopt;
  Pass pass{.key_id = std::string(key_id), .expires_s = 0, .nonce = std::string(nonce)};
  const auto [end, bad] = std::from_chars(expires.data(), expires.data() + expires.size(), pass.expires_s);
  if (bad != std::errc() || end != expires.data() + expires.size()) return std::nullopt;
  if (TimePoint{std::chrono::seconds{pass.expires_s}} <= now) return std::nullopt;
  return pass;
}

}  // namespace millrace::identity
