#include "identity/key.h"

#include <fmt/format.h>
#include <sodium.h>

#include <cstring>

#include "host/base64.h"
#include "host/file.h"
#include "host/sha256.h"

namespace millrace::identity {
namespace {

constexpr std::string_view kStart = "mr_";
constexpr std::size_t kRandomBytes = 32;
constexpr std::size_t kRandomCharacters = 43;
constexpr std::size_t kPrefixCharacters = 10;
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void fill(std::span<std::uint8_t> bytes, Rng& rng) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i, word >>= 8) {
    if (i % 8 == 0) word = rng.next();
    bytes[i] = static_cast<std::uint8_t>(word);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

Result<Pepper> pepper_from_file(const std::string& path, std::string_view text) {
  std::array<std::uint8_t, Pepper::kBytes> secret{};
  bool good =
      text.size() == 2 * secret.size() || (text.size() == 2 * secret.size() + 1 && text.back() == '\n');
  for (std::size_t i = 0; good && i < secret.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    secret[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good) {
    return failure(
        ErrorCode::kCorrupt,
        fmt::format("{}: expected 64 hexadecimal digits, found something else in {} bytes. Restore the file "
                    "from a backup; without it every API key must be made anew",
                    path, text.size()));
  }
  auto pepper = Pepper::create(secret);
  sodium_memzero(secret.data(), secret.size());
  return pepper;
}

}  // namespace

Result<Pepper> Pepper::create(std::span<const std::uint8_t> secret) {
  static_assert(sizeof(crypto_auth_hmacsha256_state) <= sizeof(state_));
  static_assert(alignof(crypto_auth_hmacsha256_state) <= 16);
  if (secret.size() != kBytes) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("a pepper has {} bytes, found {}", kBytes, secret.size()));
  }
  if (sodium_init() < 0)
    return failure(ErrorCode::kInternal, "libsodium cannot be initialised on this machine");
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, secret.data(), secret.size());
  Pepper pepper;
  std::memcpy(pepper.state_.data(), &state, sizeof state);
  return pepper;
}

Result<Pepper> load_or_create_pepper(const std::string& path, Rng& rng) {
  const auto found = host::read_file(path, 1024);
  if (found) return pepper_from_file(path, *found);
  if (found.error().code != ErrorCode::kNotFound) return std::unexpected(found.error());
  std::array<std::uint8_t, Pepper::kBytes> secret{};
  fill(secret, rng);
  TRY_VOID(host::write_file_atomic(path, host::to_hex(secret) + "\n", 0600));
  return Pepper::create(secret);
}

KeyDigest digest_key(const Pepper& pepper, std::string_view key_text) {
  crypto_auth_hmacsha256_state state;
  std::memcpy(&state, pepper.state_.data(), sizeof state);
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(key_text.data()),
                                key_text.size());
  KeyDigest digest;
  crypto_auth_hmacsha256_final(&state, digest.data());
  return digest;
}

std::string make_key_text(Rng& rng) {
  std::array<std::uint8_t, kRandomBytes> bytes{};
  fill(bytes, rng);
  return std::string{kStart} + host::base64_url({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

bool is_key_text(std::string_view text) {
  return text.size() == kStart.size() + kRandomCharacters && text.starts_with(kStart) &&
         text.find_first_not_of(kAlphabet, kStart.size()) == std::string_view::npos;
}

std::string_view key_prefix(std::string_view key_text) { return key_text.substr(0, kPrefixCharacters); }

}  // namespace millrace::identity
