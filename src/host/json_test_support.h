// What tests of JSON documents share.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string_view>

namespace millrace::host {

/// Each "$ref" of a document, in order.
inline void for_each_ref(const boost::json::value& value,
                         const std::function<void(std::string_view)>& visit) {
  if (value.is_array()) {
    for (const auto& item : value.get_array()) for_each_ref(item, visit);
  }
  if (!value.is_object()) return;
  for (const auto& member : value.get_object()) {
    if (member.key() == "$ref") visit(std::string_view(member.value().as_string()));
    for_each_ref(member.value(), visit);
  }
}

}  // namespace millrace::host
