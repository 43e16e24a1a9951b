// Schemas: the JSON schemas of the control API's bodies, and the check of values against them. One text is both what
// the OpenAPI document shows and what requests are held against.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::api {

/// Constant after creation; safe from any thread.
class Schemas {
 public:
  /// `text` is a JSON object {"Name": schema, ...}. kInvalidArgument if a schema uses a keyword that `check` does not
  /// know, a $ref that leads nowhere, or a pattern that is not in the table of schema.cc.
  static Result<Schemas> create(std::string_view text);

  /// nullptr if there is none of that name.
  const boost::json::value* find(std::string_view name) const { return all_.if_contains(name); }
  const boost::json::object& all() const { return all_; }

  /// Holds `value` against `schema` (JSON Schema 2020-12, the keywords in schema.cc). A number without a fraction that
  /// the schema calls an integer becomes one. kInvalidArgument names the place ("/limits/concurrency: ...").
  Result<void> check(const boost::json::value& schema, boost::json::value& value) const;

  /// The rules of `create`, for a schema that stands elsewhere (parameters).
  Result<void> lint(const boost::json::value& schema) const;

 private:
  boost::json::object all_;
};

/// The schemas of every body of the control API (schemas.json, schemas_environment.json).
std::string_view api_schemas();

}  // namespace millrace::api
