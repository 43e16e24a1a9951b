#include "scheduler/pass/walk.h"

#include <utility>

namespace millrace::scheduler {

bool Walk::Head::operator<(const Head& other) const {
  if (rank != other.rank) return rank < other.rank;
  for (std::size_t level = 0; level < shares.size(); ++level) {
    const bool its = (borrows >> level & 1U) != 0;
    const bool others = (other.borrows >> level & 1U) != 0;
    if (its != others) return its;
    if (shares[level] != other.shares[level]) return shares[level] > other.shares[level];
  }
  return other.turn < turn;
}

// The same for all of an account, so that one keeps its turn there whatever it asks for. What is promised counts already.
Levels Walk::borrows(const Job& job) const {
  return accounts_->borrows(job.work.account, job.promise == nullptr);
}

void Walk::offer(std::size_t index) {
  Lane& lane = lanes_[index];
  ++lane.version;
  if (lane.entries.empty()) return;
  heads_.push({lane.rank, lane.borrows, accounts_->shares(lane.account, now_), lane.entries.top().turn, index,
               lane.version});
}

void Walk::holdings_fell() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i].borrows == 0) {
      offer(i);
      continue;
    }
    ++lanes_[i].version;
    Entries entries = std::exchange(lanes_[i].entries, {});
    for (; !entries.empty(); entries.pop()) add(entries.top());
  }
}

void Walk::add(const Entry& entry) {
  const Job& job = *entry.turn.job;
  const Levels levels = borrows(job);
  const auto [it, added] = lane_of_.try_emplace({job.rank, job.work.account, levels}, lanes_.size());
  if (added) {
    lanes_.emplace_back();
    lanes_.back().rank = job.rank;
    lanes_.back().account = job.work.account;
    lanes_.back().borrows = levels;
  }
  Lane& lane = lanes_[it->second];
  const bool first = lane.entries.empty() || entry.turn < lane.entries.top().turn;
  lane.entries.push(entry);
  if (first) offer(it->second);
}

void Walk::add_group(Group& group) {
  for (const Turn& turn : group.members) {
    if (turn.job->promise) continue;
    add(*turn.job, &group);
    return;
  }
}

void Walk::add_after(Group& group, const Turn& turn) {
  for (auto it = group.members.upper_bound(turn); it != group.members.end(); ++it) {
    if (it->job->promise) continue;
    add(*it->job, &group);
    return;
  }
}

std::optional<Walk::Entry> Walk::next() {
  while (!heads_.empty()) {
    const Head head = heads_.top();
    heads_.pop();
    Lane& lane = lanes_[head.lane];
    if (head.version != lane.version) continue;
    const Entry entry = lane.entries.top();
    const bool moved = borrows(*entry.turn.job) != lane.borrows;
    if (!moved && accounts_->shares(lane.account, now_) != head.shares) {
      offer(head.lane);
      continue;
    }
    lane.entries.pop();
    offer(head.lane);
    if (!moved) return entry;
    add(entry);
  }
  return std::nullopt;
}

}  // namespace millrace::scheduler
