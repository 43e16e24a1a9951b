// models
#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;

namespace {

json::object model_json(const platform::Model& model) {
  return {
      {"name", model.name},
      {"source", model.source},
      {"state", platform::name_of(model.state)},
      {"sha256", text_json(model.sha256)},
      {"size_bytes", model.size_bytes},
      {"progress_bytes", model.progress_bytes},
      {"licence", text_json(model.licence)},
      {"error", text_json(model.error)},
      {"architecture", text_json(model.info.architecture)},
      {"quantisation", text_json(model.info.quantisation)},
      {"parameters", model.info.parameters},
      {"context_length", model.info.context_length ? json::value(*model.info.context_length) : json::value()},
      {"created_at", to_rfc3339(model.created_at)}};
}

Result<Reply> list_models(Services& services, const Call& call) {
  const auto page = TRY(services.models.list(limit_of(call), call.query_text("after")));
  return page_reply(page, model_json);
}

Result<Reply> import_model(Services& services, const Call& call) {
  const json::object& body = call.body.as_object();
  platform::ImportRequest request;
  request.source = body.at("source").as_string();
  if (const auto* name = body.if_contains("name")) request.name = name->as_string();
  if (const auto* hash = body.if_contains("sha256")) request.sha256 = hash->as_string();
  return json_reply(202, model_json(TRY(services.models.import(request))));
}

Result<Reply> show_model(Services& services, const Call& call) {
  return json_reply(200, model_json(TRY(services.models.show(call.path_text("name")))));
}

Result<Reply> delete_model(Services& services, const Call& call) {
  TRY_VOID(services.models.remove(call.path_text("name")));
  return Reply{204, "", "", {}};
}

}  // namespace

void add_model_routes(std::vector<Route>& routes) {
  const Parameter name = {"name", kNameSchema, "Its name."};
  routes.push_back({.method = "GET",
                    .path = "/api/v1/models",
                    .id = "listModels",
                    .tag = "models",
                    .summary = "The models in the store",
                    .access = needs(Action::kReadModels, Scope::kShared),
                    .handler = list_models,
                    .query = page_parameters(),
                    .answer = "ModelPage"});
  routes.push_back({.method = "POST",
                    .path = "/api/v1/models",
                    .id = "importModel",
                    .tag = "models",
                    .summary = "Begin to import a model; its state tells when it is ready",
                    .access = needs(Action::kManageModels, Scope::kShared),
                    .handler = import_model,
                    .body = "ModelImport",
                    .success = 202,
                    .answer = "Model",
                    .takes_idempotency_key = true,
                    .links = {"showModel", "deleteModel"}});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/models/{name}",
                    .id = "showModel",
                    .tag = "models",
                    .summary = "One model",
                    .access = needs(Action::kReadModels, Scope::kShared),
                    .handler = show_model,
                    .path_parameters = {name},
                    .answer = "Model"});
  routes.push_back({.method = "DELETE",
                    .path = "/api/v1/models/{name}",
                    .id = "deleteModel",
                    .tag = "models",
                    .summary = "Delete a model that no endpoint uses",
                    .access = needs(Action::kManageModels, Scope::kShared),
                    .handler = delete_model,
                    .path_parameters = {name},
                    .success = 204,
                    .answer_type = "",
                    .errors = {409}});
}

}  // namespace millrace::api
