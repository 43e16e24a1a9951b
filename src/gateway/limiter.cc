#include "gateway/limiter.h"

#include <fmt/format.h>

#include <algorithm>

#include "energy/cost.h"

namespace millrace::gateway {
namespace {

using identity::Limits;

/// One scope's limits as they stand in the policy, and its state.
struct Bound {
  Limiter::Scope* scope = nullptr;
  const Limits* limits = nullptr;  // null: this scope limits nothing
  std::string_view kind, name;
  std::string text() const { return kind == "key" ? "this key" : fmt::format("{} '{}'", kind, name); }
};

void apply_limit(std::optional<TokenBucket>& bucket, const std::optional<std::int64_t>& limit,
                 MonotonicPoint now) {
  if (!limit) {
    bucket.reset();
  } else if (!bucket) {
    bucket.emplace(*limit, now);
  } else {
    bucket->set_limit(*limit, now);
  }
}

struct MonthUse {
  std::int64_t tokens = 0, microeur = 0;
};

/// Used and promised this month: the ledger's figure, what it does not know yet, and what runs.
MonthUse month_use(const identity::PolicyView& policy, const Limiter::Scope& scope, std::int32_t month) {
  MonthUse use{scope.reserved_tokens, scope.reserved_microeur};
  if (scope.settled_month == month) {
    use.tokens += scope.settled_tokens;
    use.microeur += scope.settled_microeur;
  }
  if (const auto* used = policy.used(scope.name); used != nullptr && used->month == month) {
    use.tokens += used->tokens;
    use.microeur += used->microeur;
  }
  return use;
}

/// Output tokens that `microeur` still pays for after the prompt; negative if not even the prompt.
std::int64_t affordable_output(const Demand& demand, std::int64_t microeur) {
  const auto prompt = energy::cost_microeur(demand.prompt_tokens, 0, demand.input_microeur_per_mtok, 0);
  if (microeur < prompt || microeur <= 0) return -1;
  if (demand.output_microeur_per_mtok <= 0) return INT64_MAX;
  const auto wide = static_cast<__int128>(microeur - prompt) * 1'000'000 / demand.output_microeur_per_mtok;
  return static_cast<std::int64_t>(std::min<__int128>(wide, INT64_MAX));
}

using Outcome = std::optional<Refusal>;  // nullopt: nothing against it

Outcome refuse(Refusal::Kind kind, const Bound& bound, std::string message,
               std::optional<std::chrono::nanoseconds> retry_after = std::nullopt) {
  return Refusal{kind, bound.text(), std::move(message), retry_after};
}

Outcome check_rate(const Bound& bound, MonotonicPoint now) {
  Limiter::Scope& scope = *bound.scope;
  if (bound.limits->concurrency && scope.active >= *bound.limits->concurrency) {
    return refuse(Refusal::Kind::kConcurrency, bound,
                  fmt::format("{} may run {} requests at once and does; retry when one has ended",
                              bound.text(), *bound.limits->concurrency),
                  std::chrono::seconds{1});
  }
  if (scope.requests && scope.requests->available(now) < 1) {
    return refuse(Refusal::Kind::kRequests, bound,
                  fmt::format("{} may start {} requests per minute", bound.text(), scope.requests->limit()),
                  scope.requests->wait_for(1, now));
  }
  return std::nullopt;
}

/// `least` is what the request needs at the very least. Lowers `output_cap` to what is left.
Outcome check_tokens(const Bound& bound, const Demand& demand, std::int64_t least, MonotonicPoint now,
                     std::int64_t& output_cap) {
  Limiter::Scope& scope = *bound.scope;
  if (!scope.tokens) return std::nullopt;
  if (least > scope.tokens->limit()) {
    return refuse(
        Refusal::Kind::kTooLarge, bound,
        fmt::format("the request needs {} tokens (prompt {} and output up to {}); {} may use {} tokens per "
                    "minute, so it can never run: shorten the prompt, lower max_tokens or raise the limit",
                    least, demand.prompt_tokens, least - demand.prompt_tokens, bound.text(),
                    scope.tokens->limit()));
  }
  const auto available = scope.tokens->available(now);
  if (least > available) {
    return refuse(Refusal::Kind::kTokens, bound,
                  fmt::format("the request needs {} tokens; {} has {} of {} tokens per minute left", least,
                              bound.text(), available, scope.tokens->limit()),
                  scope.tokens->wait_for(least, now));
  }
  output_cap = std::min(output_cap, available - demand.prompt_tokens);
  return std::nullopt;
}

/// Budgets of the month, tokens and money. Lowers `output_cap` to what is left.
Outcome check_month(const Bound& bound, const Demand& demand, std::int64_t least, const MonthUse& use,
                    std::int64_t& output_cap) {
  const Limits& limits = *bound.limits;
  if (limits.tokens_per_month) {
    const auto left = *limits.tokens_per_month - use.tokens;
    if (least > left) {
      return refuse(
          Refusal::Kind::kMonthTokens, bound,
          fmt::format("the request needs {} tokens; {} has {} of its {} tokens for this month left", least,
                      bound.text(), std::max<std::int64_t>(left, 0), *limits.tokens_per_month));
    }
    output_cap = std::min(output_cap, left - demand.prompt_tokens);
  }
  if (limits.microeur_per_month) {
    const auto left = *limits.microeur_per_month - use.microeur;
    const auto output = affordable_output(demand, left);
    if (output < demand.max_output_tokens.value_or(demand.answers)) {
      return refuse(
          Refusal::Kind::kMonthMoney, bound,
          fmt::format("{} has {:.6f} of its {:.6f} euro for this month left; the request could cost more",
                      bound.text(), static_cast<double>(std::max<std::int64_t>(left, 0)) / 1e6,
                      static_cast<double>(*limits.microeur_per_month) / 1e6));
    }
    output_cap = std::min(output_cap, output);
  }
  return std::nullopt;
}

/// Everything that one scope has to say.
Outcome check(const identity::PolicyView& policy, const Bound& bound, const Demand& demand,
              std::int32_t month, MonotonicPoint now, std::int64_t& output_cap) {
  if (auto refusal = check_rate(bound, now)) return refusal;
  const std::int64_t least = demand.prompt_tokens + demand.max_output_tokens.value_or(demand.answers);
  if (auto refusal = check_tokens(bound, demand, least, now, output_cap)) return refusal;
  if (!bound.limits->tokens_per_month && !bound.limits->microeur_per_month) return std::nullopt;
  return check_month(bound, demand, least, month_use(policy, *bound.scope, month), output_cap);
}

bool counts_tokens(const Limits* limits) {
  return limits != nullptr &&
         (limits->tokens_per_minute || limits->tokens_per_month || limits->microeur_per_month);
}

const Limits* quota_of(const auto* owner) {
  return owner != nullptr && owner->quota ? &*owner->quota : nullptr;
}

}  // namespace

Limiter::Scope* Limiter::scope(std::string_view kind, std::string_view name) {
  std::string full(kind);
  full.append("/").append(name);
  auto& held = scopes_[full];
  if (held == nullptr) {
    held = std::make_unique<Scope>();
    held->name = std::move(full);
  }
  return held.get();
}

const std::array<Limiter::Scope*, 3>& Limiter::scopes_of(const identity::KeyPolicy& key) {
  auto it = scopes_of_key_.find(key.id);
  if (it == scopes_of_key_.end()) {
    const std::array<Scope*, 3> scopes{scope("key", key.id), scope("project", key.project),
                                       scope("tenant", key.tenant)};
    it = scopes_of_key_.emplace(key.id, scopes).first;
  }
  return it->second;
}

bool Limiter::needs_token_count(const identity::PolicyView& policy, const identity::KeyPolicy& key) const {
  return counts_tokens(&key.limits) || counts_tokens(quota_of(policy.project(key.project))) ||
         counts_tokens(quota_of(policy.tenant(key.tenant)));
}

std::expected<Limiter::Reservation, Refusal> Limiter::reserve(const identity::PolicyView& policy,
                                                              const identity::KeyPolicy& key,
                                                              const Demand& demand, TimePoint now,
                                                              MonotonicPoint monotonic) {
  const auto* tenant = policy.tenant(key.tenant);
  const Limits* tenant_quota = quota_of(tenant);
  if (tenant_quota == nullptr) {
    return std::unexpected(Refusal{
        Refusal::Kind::kNoQuota, fmt::format("tenant '{}'", key.tenant),
        fmt::format(
            "tenant '{}' has no quota yet; an operator gives one with: millrace quota set --tenant {}",
            key.tenant, key.tenant),
        std::nullopt});
  }
  const auto& scopes = scopes_of(key);
  const std::array<Bound, 3> bounds{
      Bound{scopes[0], &key.limits, "key", key.id},
      Bound{scopes[1], quota_of(policy.project(key.project)), "project", key.project},
      Bound{scopes[2], tenant_quota, "tenant", key.tenant}};

  const std::int32_t month = month_of(now);
  constexpr std::int64_t kNoCap = INT64_MAX;
  std::int64_t output_cap = demand.max_output_tokens.value_or(kNoCap);
  if (demand.output_ceiling > 0) output_cap = std::min(output_cap, demand.output_ceiling);
  bool counted = false;
  for (const Bound& bound : bounds) {
    const Limits none;
    const Limits& limits = bound.limits != nullptr ? *bound.limits : none;
    apply_limit(bound.scope->requests, limits.requests_per_minute, monotonic);
    apply_limit(bound.scope->tokens, limits.tokens_per_minute, monotonic);
    if (bound.limits == nullptr) continue;
    counted = counted || counts_tokens(bound.limits);
    if (auto refusal = check(policy, bound, demand, month, monotonic, output_cap)) {
      return std::unexpected(std::move(*refusal));
    }
  }

  Reservation reservation;
  reservation.month = month;
  if (counted) {
    const bool bounded = output_cap != kNoCap;  // only a free price and no token limit leave it unbounded
    if (bounded && !demand.max_output_tokens) reservation.output_cap = output_cap;
    const std::int64_t output = bounded ? output_cap : 0;
    reservation.tokens = demand.prompt_tokens + output;
    reservation.microeur = energy::cost_microeur(demand.prompt_tokens, output, demand.input_microeur_per_mtok,
                                                 demand.output_microeur_per_mtok);
  }
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    Scope& held = *bounds[i].scope;
    reservation.scopes[i] = &held;
    ++held.active;
    if (held.requests) held.requests->take(1, monotonic);
    if (held.tokens) held.tokens->take(reservation.tokens, monotonic);
    held.reserved_tokens += reservation.tokens;
    held.reserved_microeur += reservation.microeur;
  }
  return reservation;
}

void Limiter::finish(const Reservation& reservation) {
  for (Scope* scope : reservation.scopes) {
    --scope->active;
    scope->reserved_tokens -= reservation.tokens;
    scope->reserved_microeur -= reservation.microeur;
  }
}

void Limiter::settle(const Reservation& reservation, std::int64_t used_tokens, std::int64_t used_microeur,
                     std::uint64_t sequence, MonotonicPoint monotonic) {
  finish(reservation);
  for (Scope* scope : reservation.scopes) {
    if (scope->tokens) {
      if (used_tokens < reservation.tokens) {
        scope->tokens->give_back(reservation.tokens - used_tokens, monotonic);
      } else {
        scope->tokens->take(used_tokens - reservation.tokens, monotonic);
      }
    }
    if (scope->settled_month != reservation.month) {
      scope->settled_month = reservation.month;
      scope->settled_tokens = scope->settled_microeur = 0;
    }
    scope->settled_tokens += used_tokens;
    scope->settled_microeur += used_microeur;
  }
  pending_.push_back({sequence, reservation.scopes, used_tokens, used_microeur, reservation.month});
}

void Limiter::release(const Reservation& reservation, MonotonicPoint monotonic) {
  finish(reservation);
  for (Scope* scope : reservation.scopes) {
    if (scope->requests) scope->requests->give_back(1, monotonic);
    if (scope->tokens) scope->tokens->give_back(reservation.tokens, monotonic);
  }
}

void Limiter::drained(std::uint64_t through) {
  while (!pending_.empty() && pending_.front().sequence <= through) {
    const Pending& pending = pending_.front();
    for (Scope* scope : pending.scopes) {
      if (scope->settled_month != pending.month) continue;
      scope->settled_tokens -= pending.tokens;
      scope->settled_microeur -= pending.microeur;
    }
    pending_.pop_front();
  }
}

RateLimitView Limiter::view(const std::array<Scope*, 3>& scopes, MonotonicPoint monotonic) {
  RateLimitView view;
  const auto tighten = [&](std::optional<RateLimitView::Dimension>& best,
                           std::optional<TokenBucket>& bucket) {
    if (!bucket) return;
    const auto remaining = bucket->available(monotonic);
    if (best && best->remaining <= remaining) return;
    best = RateLimitView::Dimension{bucket->limit(), remaining, bucket->wait_for(bucket->limit(), monotonic)};
  };
  for (Scope* held : scopes) {
    tighten(view.requests, held->requests);
    tighten(view.tokens, held->tokens);
  }
  return view;
}

}  // namespace millrace::gateway
