// Limiter: admits a request against the limits of its key, project and tenant, and settles what it really used.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/clock.h"
#include "gateway/token_bucket.h"
#include "identity/policy.h"

namespace millrace::gateway {

/// Why a request may not run now. `retry_after` is absent where waiting does not help.
struct Refusal {
  enum class Kind { kNoQuota, kRequests, kTokens, kTooLarge, kConcurrency, kMonthTokens, kMonthMoney } kind;
  std::string scope;  // "key", "project default", "tenant default"
  std::string message;
  std::optional<std::chrono::nanoseconds> retry_after;
};

/// What a request asks for. Prices are those in force at its start.
struct Demand {
  std::int64_t prompt_tokens = 0;                      // exact or an upper bound
  std::optional<std::int64_t> max_output_tokens = {};  // what the client allowed, of all answers together
  std::int64_t answers = 1;                            // each makes one token at least
  std::int64_t output_ceiling = 0;  // what the model could make at most (context); 0 is unknown
  std::int64_t input_microeur_per_mtok = 0, output_microeur_per_mtok = 0;
};

/// Figures for the x-ratelimit-* headers: of the scope with least left. Absent: no limit of that kind.
struct RateLimitView {
  struct Dimension {
    std::int64_t limit = 0, remaining = 0;
    std::chrono::nanoseconds reset{0};  // until full again
  };
  std::optional<Dimension> requests, tokens;
};

class Limiter {
 public:
  struct Scope;

  /// What an admitted request holds. Give it back with `settle` exactly once.
  struct Reservation {
    std::array<Scope*, 3> scopes{};  // key, project, tenant; constant
    std::int64_t tokens = 0;         // reserved in the buckets and the month
    std::int64_t microeur = 0;
    std::int32_t month = 0;
    std::optional<std::int64_t>
        output_cap;  // tell the engine to make at most this many; absent: no cap needed
  };

  /// True if any of the key's scopes limits tokens or money, so that `prompt_tokens` should be exact.
  bool needs_token_count(const identity::PolicyView& policy, const identity::KeyPolicy& key) const;

  /// Admits, or refuses and changes nothing. Limits are read from `policy` at each call, so a change acts at once.
  std::expected<Reservation, Refusal> reserve(const identity::PolicyView& policy,
                                              const identity::KeyPolicy& key, const Demand& demand,
                                              TimePoint now, MonotonicPoint monotonic);

  /// Ends a reservation with what was used. `sequence` is the journal's settlement number: the use counts here until
  /// the ledger's own figures include it (`drained`).
  void settle(const Reservation& reservation, std::int64_t used_tokens, std::int64_t used_microeur,
              std::uint64_t sequence, MonotonicPoint monotonic);

  /// Gives back everything, the request count included: the request never reached an engine through no fault of its own.
  void release(const Reservation& reservation, MonotonicPoint monotonic);

  /// The ledger's `used` records include settlements up to `through`.
  void drained(std::uint64_t through);

  static RateLimitView view(const std::array<Scope*, 3>& scopes, MonotonicPoint monotonic);
  /// Key, project and tenant, in this order. Addresses stay good.
  const std::array<Scope*, 3>& scopes_of(const identity::KeyPolicy& key);

  struct Scope {
    std::string name;  // "key/k_..", "project/default"; constant
    std::optional<TokenBucket> requests, tokens;
    std::int64_t active = 0;
    std::int64_t reserved_tokens = 0, reserved_microeur = 0;
    std::int64_t settled_tokens = 0,
                 settled_microeur = 0;  // of settled_month, not yet in the ledger's figures
    std::int32_t settled_month = 0;
  };

 private:
  struct Pending {
    std::uint64_t sequence = 0;
    std::array<Scope*, 3> scopes{};
    std::int64_t tokens = 0, microeur = 0;
    std::int32_t month = 0;
  };

  Scope* scope(std::string_view kind, std::string_view name);
  static void finish(const Reservation& reservation);

  std::unordered_map<std::string, std::unique_ptr<Scope>> scopes_;        // by name
  std::unordered_map<std::string, std::array<Scope*, 3>> scopes_of_key_;  // by key id: a key never moves
  std::deque<Pending> pending_;                                           // in order of sequence
};

}  // namespace millrace::gateway
