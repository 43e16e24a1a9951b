// What an account may take back of what others borrowed: running work, and promises by which they would borrow.
#include "scheduler/stop/reclaim.h"

#include <algorithm>

#include "scheduler/promise/promise.h"

namespace millrace::scheduler {
namespace {

/// The strictest of an account's and of those above it.
Reclaim reclaim_of(const State& state, AccountIndex account) {
  Reclaim strictest = Reclaim::kAny;
  for (AccountIndex a = account; a != kNoAccount; a = state.accounts.at(a).account.parent) {
    const Reclaim its = state.accounts.at(a).account.reclaim;
    if (its == Reclaim::kNever || strictest == Reclaim::kAny) strictest = its;
  }
  return strictest;
}

/// Whether nothing else is there for it, so that room is not made over and over for those of lower ranks.
bool waits_for_end_of(const Job& job, const Job& holder) {
  return job.promise ? job.promise->begin >= holder.promise->end : holder.promise->end >= kSomeDay;
}

bool yields(const State& state, const Job& holder, const Job& job) {
  if (holder.promise->claim) return holder.rank < job.rank && waits_for_end_of(job, holder);
  return holder.rank < job.rank || would_take_back(state, job, holder);
}

}  // namespace

bool may_take_back(const State& state, const Job& job, AccountIndex holder, const Amount& counted) {
  return state.accounts.may_reclaim(job.work.account, job.shape->request, holder, {}, counted);
}

bool reclaims_from(const State& state, const Job& job, const Job& holder) {
  switch (reclaim_of(state, job.work.account)) {
    case Reclaim::kNever:
      return false;
    case Reclaim::kLowerPriority:
      return holder.work.priority < job.work.priority;
    case Reclaim::kAny:
      return true;
  }
  return false;
}

bool would_take_back(const State& state, const Job& job, const Job& holder) {
  return state.policies.preempt && holder.work.preemptible && reclaims_from(state, job, holder) &&
         state.accounts.may_reclaim(job.work.account, job.shape->request, holder.work.account,
                                    holder.shape->request,
                                    in_both(holder.shape->request, job.shape->request));
}

namespace {

/// The first of each group of an account, but for those of a rank below one that has yet to be looked at in this walk: it
/// would have to stop them again.
std::vector<Job*> next_of(State& state, AccountIndex account) {
  std::vector<Job*> result;
  std::int32_t rank_min = INT32_MIN;
  state.queue.each_group_of(account, [&](const Group& group) {
    Job& first = *group.members.begin()->job;
    if (first.charged) return;
    if (first.seen_walk != state.walk) rank_min = std::max(rank_min, first.rank);
    result.push_back(&first);
  });
  std::erase_if(result, [rank_min](const Job* job) { return job->rank < rank_min; });
  return result;
}

}  // namespace

std::vector<Job*> owners_waiting(State& state, const Job& job) {
  if (!state.policies.preempt || !job.work.preemptible || job.charged) return {};
  std::vector<Job*> owners;
  for (AccountIndex a = 0; a < state.accounts.size(); ++a) {
    if (!state.accounts.may_reclaim(a, {}, job.work.account, job.shape->request, job.shape->request))
      continue;
    for (Job* owner : next_of(state, a)) {
      if (owner->work.tasks == 1 && would_take_back(state, *owner, job)) owners.push_back(owner);
    }
  }
  std::ranges::sort(owners, [](Job* a, Job* b) {
    return a->rank != b->rank ? a->rank > b->rank : turn_of(*a) < turn_of(*b);
  });
  return owners;
}

std::vector<Job*> yielding_promises(const State& state, const Job& job) {
  std::vector<Job*> result;
  for (const auto& [id, holder] : state.promised) {
    if (holder != &job && yields(state, *holder, job)) result.push_back(holder);
  }
  sort_by_precedence(result);
  return result;
}

}  // namespace millrace::scheduler
