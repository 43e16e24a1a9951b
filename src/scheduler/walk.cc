#include "scheduler/walk.h"

namespace millrace::scheduler {

bool Walk::Head::operator<(const Head& other) const {
  if (rank != other.rank) return rank < other.rank;
  if (shares != other.shares) return shares > other.shares;
  return other.turn < turn;
}

Shares Walk::shares_of(const Lane& lane) const { return accounts_->shares(lane.account, now_); }

void Walk::offer(std::size_t index) {
  Lane& lane = lanes_[index];
  ++lane.version;
  if (lane.entries.empty()) return;
  heads_.push({lane.rank, shares_of(lane), lane.entries.top().turn, index, lane.version});
}

void Walk::share_fell() {
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) offer(lane);
}

void Walk::add(Job& job, Group* follow) {
  const AccountIndex account = job.work.account;
  const auto [it, added] = lane_of_.try_emplace({job.rank, account}, lanes_.size());
  if (added) {
    lanes_.emplace_back();
    lanes_.back().rank = job.rank;
    lanes_.back().account = account;
  }
  Lane& lane = lanes_[it->second];
  const Entry entry{turn_of(job), follow};
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
    if (shares_of(lane) != head.shares) {
      offer(head.lane);
      continue;
    }
    const Entry entry = lane.entries.top();
    lane.entries.pop();
    offer(head.lane);
    return entry;
  }
  return std::nullopt;
}

}  // namespace millrace::scheduler
