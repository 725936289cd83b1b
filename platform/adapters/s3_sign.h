#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sv::s3 {

struct Credentials {
  std::string access = {}, secret = {}, region = {};
};

// Texts as they are meant, not escaped.
struct Request {
  std::string method = "GET";
  std::string host = {};  // as the Host header has it
  std::string path = {};  // "/bucket/key"
  std::vector<std::pair<std::string, std::string>> query = {};
  std::string payload = {};  // SHA-256 of the body, in hex
};

// RFC 3986: everything but letters, digits and -._~ is escaped; `keep` stays too.
std::string percent_encoded(std::string_view text, std::string_view keep = "");

// Path and query, escaped and in the order that is signed.
std::string target_of(const Request& request);
// Header lines that sign the request (AWS Signature Version 4, service s3), with Host signed too.
std::string signature_lines(const Credentials& who, const Request& request, std::int64_t now_ms);
// The target of a URL that does what the request does, for whoever has it, until `ttl` from now
// (at most 7 days). Nothing else than the host is signed, the body neither.
std::string presigned_target(const Credentials& who, Request request, std::int64_t now_ms,
                             std::chrono::seconds ttl);

}  // namespace sv::s3
