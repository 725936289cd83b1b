#include "app/admin_server.h"

#include <memory>

namespace sv {
namespace {

constexpr std::string_view kJson = "Content-Type: application/json; charset=utf-8\r\n";
constexpr std::string_view kText =
    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nCache-Control: no-store\r\n";

std::string told(const Error& error) {
  return error.detail.empty() ? error.token : error.token + ": " + error.detail;
}

Task<> answer(std::shared_ptr<const AdminDeps> deps, net::Exchange& x) {
  const std::string_view path = x.path();
  if (x.method() != "GET" && x.method() != "HEAD") {
    (void)co_await x.send(405, "Allow: GET, HEAD\r\n", "");
  } else if (path == "/metrics") {
    (void)co_await x.send(200, kText, deps->metrics.text());
  } else if (path == "/health") {
    (void)co_await x.send(200, kJson, R"({"status":"OK"})");
  } else if (path == "/health/ready") {
    const auto ready =
        co_await gateway::look_at(deps->ready, deps->supervisor, deps->mode, deps->draining, told);
    std::string body;
    write_json(body, ready);
    (void)co_await x.send(gateway::takes_requests(ready) ? 200 : 503, kJson, body);
  } else {
    (void)co_await x.send(404, kJson, R"({"error":"unknown_route"})");
  }
}

}  // namespace

net::Handler make_admin_handler(AdminDeps deps) {
  return [deps = std::make_shared<const AdminDeps>(std::move(deps))](net::Exchange& x) {
    return answer(deps, x);
  };
}

net::ErrorBody admin_error_body() {
  return [](int) { return std::string(R"({"error":"bad_request"})"); };
}

}  // namespace sv
