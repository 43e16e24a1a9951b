// Keys: the text a client shows, and the digest that is all Millrace keeps of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/rng.h"
#include "identity/policy.h"

namespace millrace::identity {

/// The installation's secret, ready for use: HMAC-SHA256 (RFC 2104) with the key's two blocks already hashed, so that
/// a digest costs two compressions. Copies are cheap; safe to read from any thread. Never printed.
class Pepper {
 public:
  static constexpr std::size_t kBytes = 32;

  /// kInvalidArgument unless `secret` is exactly kBytes long.
  static Result<Pepper> create(std::span<const std::uint8_t> secret);

 private:
  friend KeyDigest digest_key(const Pepper& pepper, std::string_view key_text);
  Pepper() = default;
  std::array<std::byte, 128> inner_{}, outer_{};
};

/// Reads the pepper at `path` (64 hexadecimal digits, mode 0600); makes one from `rng` where there is no file.
/// `rng` must be cryptographic. kCorrupt if the file holds anything else: then no stored key can be checked.
Result<Pepper> load_or_create_pepper(const std::string& path, Rng& rng);

/// The digest under which a key is stored and found. A fraction of a microsecond, no allocation; never fails.
KeyDigest digest_key(const Pepper& pepper, std::string_view key_text);

/// "mr_" + 43 characters of URL-safe base64: 256 bits from `rng`, which must be cryptographic.
std::string make_key_text(Rng& rng);

/// True if `text` has the form that `make_key_text` gives.
bool is_key_text(std::string_view text);

/// The first 10 characters, for display; 42 of the 256 bits.
std::string_view key_prefix(std::string_view key_text);

}  // namespace millrace::identity
