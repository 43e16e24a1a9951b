// What people are told of jobs, from what the API tells. Pure.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace millrace::cli {

/// Of an array "12_7, 12_9 and 3 more", the elements that failed; "-" if none did.
std::string failed_text(const boost::json::value& job);

/// Items of the queue with `cpus` and `accelerators` of all their tasks instead of each.
boost::json::array of_all_tasks(const boost::json::array& items);

/// A message of the server that begins with a key of the job file ("after: ...", "secret.name: ...") with file and line
/// of that key before it; as it was where the key is not there.
std::string with_place(const std::string& message, std::string_view source, const std::string& file);

}  // namespace millrace::cli
