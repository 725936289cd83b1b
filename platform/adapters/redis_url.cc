#include <charconv>

#include <fmt/format.h>

#include "platform/adapters/redis_cache.h"
#include "platform/net/tls_authority.h"
#include "platform/net/uri.h"

namespace sv {
namespace {

using Shape = RedisOptions::Shape;

// A password that is not encoded may lie anywhere in the URL: messages say none of it.
std::unexpected<Error> bad(std::string what) {
  return fail(Errc::invalid_argument, {}, std::move(what));
}

struct UrlKind {
  std::string_view name;
  Shape shape;
  std::string_view port;  // where none is named
};
constexpr UrlKind kUrlKinds[] = {{"", Shape::single, "6379"},
                                 {"+sentinel", Shape::sentinel, "26379"},
                                 {"+cluster", Shape::cluster, "6379"}};

// What stands before the mark is taken off `rest`, with the mark; all of it when there is none.
std::string_view cut(std::string_view& rest, std::string_view mark) {
  const auto at = rest.find(mark);
  const std::string_view out = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + mark.size());
  return out;
}

template <class Number>
bool reads_number(std::string_view text, Number& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc{} && end == text.data() + text.size();
}

Result<> take_query(std::string_view query, RedisOptions& out, bool secure) {
  std::string authority;
  while (!query.empty()) {
    std::string_view value = cut(query, "&");
    const std::string_view name = cut(value, "=");
    auto decoded = net::decode_path(value);
    if (!decoded) return bad("what stands behind the ? is not percent-encoded");
    if (name == "prefix") out.prefix = std::move(*decoded);
    else if (name == "ca" && secure && !decoded->empty()) authority = std::move(*decoded);
    else return bad("behind the ? only prefix=… can be given, and ca=/file with rediss");
  }
  if (secure) { SV_TRY(out.tls, net::TlsAuthority::load(authority)); }
  return {};
}

Result<> take_user(std::string_view who, RedisOptions& out) {
  const auto colon = who.find(':');
  if (colon == std::string_view::npos) return bad("before the @ stands user:password");
  auto user = net::decode_path(who.substr(0, colon));
  auto password = net::decode_path(who.substr(colon + 1));
  if (!user || !password) return bad("user and password are not percent-encoded");
  out.user = std::move(*user);
  out.password = std::move(*password);
  return {};
}

Result<RedisAddress> address_of(std::string_view text, std::string_view port) {
  SV_TRY(auto one, net::parse_authority(text, port));
  return RedisAddress{.host = std::move(one.host), .port = std::move(one.port)};
}

Result<> take_hosts(std::string_view hosts, const UrlKind& kind, RedisOptions& out) {
  out.addresses.clear();
  if (hosts.ends_with(',')) return bad("behind a comma stands a host");
  do {
    SV_TRY(auto one, address_of(cut(hosts, ","), kind.port));
    out.addresses.push_back(std::move(one));
  } while (!hosts.empty());
  if (kind.shape == Shape::single && out.addresses.size() > 1)
    return bad("several hosts are for redis+sentinel:// and redis+cluster://");
  return {};
}

Result<> take_path(std::string_view path, RedisOptions& out) {
  if (out.shape == Shape::sentinel) {
    out.master = cut(path, "/");
    if (out.master.empty()) return bad("it names no master: redis+sentinel://host:26379/mymaster");
  }
  if (path.empty()) return {};
  if (out.shape == Shape::cluster) return bad("a cluster has no databases to choose from");
  if (!reads_number(path, out.database) || out.database < 0)
    return bad("the database is not a number");
  return {};
}

}  // namespace

Result<RedisOptions> parse_redis_url(std::string_view url) {
  std::string_view scheme = cut(url, "://");
  const bool secure = scheme.starts_with("rediss");
  if (!scheme.starts_with("redis") || url.empty()) return bad("it is not like redis://host:6379");
  scheme.remove_prefix(secure ? 6 : 5);
  for (const UrlKind& kind : kUrlKinds) {
    if (kind.name != scheme) continue;
    RedisOptions out{.shape = kind.shape};
    std::string_view hosts = cut(url, "?");
    SV_CHECK(take_query(url, out, secure));
    if (const auto at = hosts.rfind('@'); at != std::string_view::npos) {
      SV_CHECK(take_user(hosts.substr(0, at), out));
      hosts.remove_prefix(at + 1);
    }
    std::string_view path = hosts;
    hosts = cut(path, "/");
    SV_CHECK(take_hosts(hosts, kind, out));
    SV_CHECK(take_path(path, out));
    return out;
  }
  return bad("it is not like redis://host:6379, redis+sentinel:// or redis+cluster://");
}

}  // namespace sv
