#include "scheduler/pass/kept_quota.h"

#include "scheduler/stop/reclaim.h"

namespace millrace::scheduler {
namespace {

bool is_over_by(const Job& job, TimePoint at, TimePoint now) { return window_end(now, job.limit_s) <= at; }

/// Whether what is kept for another is kept from this one, whose quota would do.
bool is_kept_from(const State& state, const Kept& kept, Job& job, TimePoint now) {
  // The other is pending, or has started in this walk.
  if (would_take_back(state, job, state.jobs.at(kept.id))) return false;
  if (kept.rank != job.rank) return kept.rank > job.rank;
  if (kept.account != job.work.account || !(kept.turn < turn_of(job)) || !kept.room) return false;
  return !is_over_by(job, kept.room->at, now) && !is_within(job.shape->request, kept.room->spare);
}

/// A claim is charged already, beside the work that was told to stop for it.
bool claim_waits(State& state, const Job& job) {
  const auto lack = state.accounts.lack(job.work.account, job.shape->request, &AccountTree::Entry::claimed);
  if (lack) state.accounts.at(lack->account).blocked_groups.insert(job.group);
  return lack.has_value();
}

}  // namespace

bool blocked_by_quota(State& state, Job& job, TimePoint now, Keeping keeping, Reason& reason) {
  if (job.charged) return claim_waits(state, job);
  AccountTree& accounts = state.accounts;
  if (const auto lack = accounts.lack(job.work.account, job.shape->request)) {
    auto& entry = accounts.at(lack->account);
    if (keeping != Keeping::kLook) entry.blocked_groups.insert(job.group);
    const bool at_once = keeping == Keeping::kAtOnce && (!entry.kept || entry.kept->rank < job.rank);
    const bool next = keeping == Keeping::kNext && !entry.kept && entry.unkept_pass == state.counters.passes;
    if (lack->ever && (at_once || next))
      entry.kept = Kept{.rank = job.rank,
                        .id = job.work.id,
                        .account = job.work.account,
                        .turn = turn_of(job),
                        .room = accounts.room_for(lack->account, job.shape->request)};
    reason.code = ReasonCode::kQuota;
    reason.needed = lack->needed;
    reason.free = lack->free;
    reason.subject = entry.account.name;
    reason.resource = lack->resource;
    return true;
  }
  for (AccountIndex a = job.work.account; a != kNoAccount; a = accounts.at(a).account.parent) {
    auto& entry = accounts.at(a);
    if (!entry.kept || !is_kept_from(state, *entry.kept, job, now)) continue;
    if (keeping != Keeping::kLook) entry.blocked_groups.insert(job.group);
    reason.code = ReasonCode::kQuotaKept;
    reason.other = entry.kept->id;
    reason.subject = entry.account.name;
    return true;
  }
  return false;
}

std::vector<AccountIndex> take_of_kept_quota(State& state, Job& job, TimePoint now) {
  std::vector<AccountIndex> its;
  for (AccountIndex a = job.work.account; a != kNoAccount; a = state.accounts.at(a).account.parent) {
    auto& kept = state.accounts.at(a).kept;
    if (!kept) continue;
    if (kept->id == job.work.id) its.push_back(a);
    const bool stays = kept->rank == job.rank && kept->account == job.work.account && kept->room &&
                       !is_over_by(job, kept->room->at, now);
    if (stays) add_to(kept->room->spare, job.shape->request, -1);
  }
  return its;
}

}  // namespace millrace::scheduler
