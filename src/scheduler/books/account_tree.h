// AccountTree: what each account uses and has used, whether it may use more, and whose turn it is.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/result.h"
#include "scheduler/accounts.h"
#include "scheduler/books/job.h"

namespace millrace::scheduler {

/// Dominant shares on the way from the root to an account; levels that do not exist are 0. Smaller goes first.
using Shares = std::array<double, kAccountDepthMax>;

/// A set of levels on the way from the root to an account: bit 0 is the root's.
using Levels = std::uint8_t;

/// Whether a quota will do, and what it leaves then.
struct QuotaRoom {
  TimePoint at{};
  Amount spare;
};

/// What is left of a quota is kept for a blocked workload that goes first: from all of lower ranks; and from what comes after
/// it of its own account and rank, but for what is over by the time when the quota will do for it, or is spare then.
struct Kept {
  std::int32_t rank = 0;
  WorkloadId id = 0;
  AccountIndex account = kNoAccount;
  Turn turn;
  std::optional<QuotaRoom> room;  // nullopt: nobody knows when
};

struct QuotaLack {
  AccountIndex account = 0;
  std::int64_t needed = 0;
  std::int64_t free = 0;
  const char* resource = "";
  bool ever = false;  // the request alone is within the quota
};

class AccountTree {
 public:
  struct Entry {
    Account account;
    std::int32_t depth = 0;
    Amount used;      // running work and claims
    Amount claimed;   // of `used`: claims, whose work does not run yet
    Amount leaving;   // of `used`: running work that was told to stop
    Amount promised;  // counts for whose turn it is, not against quotas
    PastUse past;
    std::optional<Kept> kept;
    std::uint64_t unkept_pass = 0;       // what was kept for one is kept for the next that this pass looks at
    std::set<Group*> blocked_groups;     // waiting for this quota; looked at as a set only
    std::map<WorkloadId, Job*> running;  // of this account itself
    std::map<std::int32_t, std::int64_t> preemptible;  // how many of those are, by priority; none is 0
  };

  AccountTree(Amount capacity, std::chrono::microseconds half_life)
      : capacity_(capacity), half_life_(half_life) {}

  Result<void> add(const Account& account);
  std::size_t size() const { return entries_.size(); }
  Entry& at(AccountIndex index) { return entries_[index]; }
  const Entry& at(AccountIndex index) const { return entries_[index]; }

  /// Charges an account and all above it. What it had until now counts as past use; what is told late (`now` before the
  /// last change) counts from then on.
  void use(AccountIndex account, const Amount& amount, int sign, TimePoint now);
  /// Work of the account itself has begun, or ended.
  void add_running(Job& job);
  void remove_running(const Job& job);
  /// Counts a part of what is used as claimed, or as leaving, for an account and all above it.
  void claim(AccountIndex account, const Amount& amount, int sign);
  void leave(AccountIndex account, const Amount& amount, int sign);
  /// Counts a promise, for an account and all above it.
  void promise(AccountIndex account, const Amount& amount, int sign);
  /// Changes what accounts use without counting it as past use, for a trial that is taken back.
  void shift(AccountIndex account, const Amount& amount, int sign);
  /// The lowest account on the way to the root whose quota lacks something; nullopt if all have enough. `without` a part of
  /// what is used: `claimed`, for a claim, which is charged already; `leaving`, for what comes when that is gone.
  std::optional<QuotaLack> lack(AccountIndex account, const Amount& request,
                                Amount Entry::* without = nullptr) const;
  /// When the quota of this account will do for `request`, by the limits of what runs; nullopt if that is not to be seen.
  std::optional<QuotaRoom> room_for(AccountIndex account, const Amount& request) const;
  Shares shares(AccountIndex account, TimePoint now) const;
  /// Where it uses or is promised more than its nominal quota, or, with anything more, would: others may stop work for that.
  Levels borrows(AccountIndex account, bool with_more) const;

  /// Accounts that use less than before the last call.
  std::vector<AccountIndex> take_eased();
  bool any_eased() const { return !eased_.empty(); }
  void ease(AccountIndex account);
  /// What was kept for work that started, or left, in or before this pass.
  void unkeep(AccountIndex account, std::uint64_t pass);

  /// Whether it is `above`, or one of those below it.
  bool is_below(AccountIndex account, AccountIndex above) const;
  /// What it will use once what was told to stop is gone, claims among it.
  Amount used_soon(AccountIndex account) const;

  /// Whether reclaiming for `waiting` (which needs `request`) may stop work of `holder`: below the lowest account that they
  /// have in common, of what is requested the one stays within its nominal quota, and of what is `counted` (above 0) the other,
  /// with `more` on top, uses more than its own.
  bool may_reclaim(AccountIndex waiting, const Amount& request, AccountIndex holder, const Amount& more,
                   const Amount& counted) const;

 private:
  void count(AccountIndex account, Amount Entry::* what, const Amount& amount, int sign);
  double share(const Entry& entry, TimePoint now) const;

  Amount capacity_;
  std::chrono::microseconds half_life_;
  std::vector<Entry> entries_;
  std::vector<AccountIndex> eased_;
};

}  // namespace millrace::scheduler
