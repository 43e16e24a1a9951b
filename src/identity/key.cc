// OpenSSL's plain SHA-256 state, which version 3 would rather hide: a copy of an EVP context costs allocations and
// look-ups that take longer than the two compressions of a digest.
#define OPENSSL_API_COMPAT 10101

#include "identity/key.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
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
  OPENSSL_cleanse(secret.data(), secret.size());
  return pepper;
}

/// The state of SHA-256 after the block that starts an HMAC's inner or outer hash (RFC 2104, section 2).
SHA256_CTX state_after(std::span<const std::uint8_t> secret, std::uint8_t pad) {
  std::array<std::uint8_t, SHA256_CBLOCK> block{};
  std::ranges::copy(secret, block.begin());
  for (std::uint8_t& byte : block) byte ^= pad;
  SHA256_CTX state;
  SHA256_Init(&state);
  SHA256_Update(&state, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
  return state;
}

}  // namespace

Result<Pepper> Pepper::create(std::span<const std::uint8_t> secret) {
  static_assert(sizeof(SHA256_CTX) <= sizeof(inner_));
  if (secret.size() != kBytes) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("a pepper has {} bytes, found {}", kBytes, secret.size()));
  }
  const SHA256_CTX inner = state_after(secret, 0x36);
  const SHA256_CTX outer = state_after(secret, 0x5C);
  Pepper pepper;
  std::memcpy(pepper.inner_.data(), &inner, sizeof inner);
  std::memcpy(pepper.outer_.data(), &outer, sizeof outer);
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
  static_assert(std::tuple_size_v<KeyDigest> == SHA256_DIGEST_LENGTH);
  SHA256_CTX state;
  KeyDigest digest;
  std::memcpy(&state, pepper.inner_.data(), sizeof state);
  SHA256_Update(&state, key_text.data(), key_text.size());
  SHA256_Final(digest.data(), &state);
  std::memcpy(&state, pepper.outer_.data(), sizeof state);
  SHA256_Update(&state, digest.data(), digest.size());
  SHA256_Final(digest.data(), &state);
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
