// Jobs as the API tells them. Private to api.
#pragma once

#include <boost/json.hpp>

#include "control/work.h"
#include "platform/jobs.h"

namespace millrace::api {

boost::json::object job_json(const platform::Job& job);

/// An entry of the queue; `position` 0: it does not wait.
boost::json::object queue_json(const control::WantedWork& wanted, const control::ObservedWork& now,
                               std::int64_t position);

/// The nodes that tasks are on, each once.
boost::json::array node_names(const control::ObservedWork& work);

}  // namespace millrace::api
