// Passes: what lets a browser into an environment: a token that is used once, and the cookie it is changed for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/rng.h"
#include "identity/policy.h"

namespace millrace::identity {

enum class PassKind : std::uint8_t { kToken, kCookie };

/// Whom it lets in, and until when. It stands for an API key: it is worth nothing once that key is revoked.
struct Pass {
  std::string key_id;
  std::int64_t expires_s = 0;  // Unix time
  std::string nonce;           // tells it from every other one
  bool operator==(const Pass&) const = default;
};

inline constexpr std::chrono::seconds kTokenLife{60};
inline constexpr std::chrono::hours kCookieLife{12};

/// `rng` must be cryptographic.
Pass make_pass(std::string_view key_id, std::chrono::seconds life, TimePoint now, Rng& rng);

/// "EXPIRES.KEY.NONCE.MAC" of [A-Za-z0-9_.-]: MAC is HMAC-SHA256 under the environment's secret over kind, name of the
/// environment and the rest, so that no token serves as a cookie, and neither opens another environment.
std::string seal(const Pass& pass, PassKind kind, const KeyDigest& secret, std::string_view environment);

/// nullopt for anything that was not sealed so, and for what has expired. Any text may be given.
std::optional<Pass> unseal(std::string_view text, PassKind kind, const KeyDigest& secret,
                           std::string_view environment, TimePoint now);

}  // namespace millrace::identity
