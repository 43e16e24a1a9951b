#include "scheduler/books/queue.h"

namespace millrace::scheduler {

void Queue::add(Job& job) {
  const GroupKey key{job.work.account, job.rank, job.shape->number, job.limit_s};
  const auto [it, added] = groups_.try_emplace(key);
  Group& group = it->second;
  if (added) {
    group.key = key;
    group.shape = job.shape;
  }
  if (group.members.empty()) {
    group.index_in_shape = job.shape->groups.size();
    if (job.shape->groups.empty()) shapes_.emplace(job.shape->number, job.shape);
    job.shape->groups.push_back(&group);
  }
  group.members.insert(turn_of(job));
  if (group.told != Told{}) group.mixed = true;
  job.group = &group;
  ++size_;
}

void Queue::remove(Job& job) {
  Group& group = *job.group;
  group.members.erase(turn_of(job));
  job.group = nullptr;
  --size_;
  if (!group.members.empty()) return;
  auto& groups = group.shape->groups;
  groups[group.index_in_shape] = groups.back();
  groups[group.index_in_shape]->index_in_shape = group.index_in_shape;
  groups.pop_back();
  if (groups.empty()) shapes_.erase(group.shape->number);
  maybe_empty_.push_back(group.key);
}

}  // namespace millrace::scheduler
