// Jobs as the API tells them. Private to api.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>

#include "api/handlers/handlers.h"
#include "control/work.h"
#include "control/work_view.h"
#include "platform/jobs.h"

namespace millrace::api {

/// Whom a reason may name: work of other tenants only before those who may see it.
enum class Naming : bool { kOwnTenant, kEverybody };

/// A reason of a job or of a run of it, as JSON: null for none.
template <typename T>
boost::json::value reason_json(const T& work, Naming naming) {
  return text_json(
      as_text(naming == Naming::kEverybody && !work.full_reason.empty() ? work.full_reason : work.reason));
}

/// What holds work to its limits on the nodes that it ran on. Asks for the nodes once, and only where something ran.
class NodeLimits {
 public:
  explicit NodeLimits(const control::WorkView& view) : view_(view) {}
  /// A node's limits_kind; of several nodes the weakest. Null before a run, and where those nodes are gone.
  boost::json::value kind_of(const control::ObservedWork& work);

 private:
  const control::WorkView& view_;
  std::optional<std::map<std::string, std::string>> kinds_;  // by node
};

boost::json::object job_json(const platform::Job& job, Naming naming, NodeLimits& limits);

/// An entry of the queue; `position` 0: it does not wait.
boost::json::object queue_json(const control::WantedWork& wanted, const control::ObservedWork& now,
                               std::int64_t position, Naming naming);

/// The nodes that tasks are on, each once.
boost::json::array node_names(const control::ObservedWork& work);

}  // namespace millrace::api
