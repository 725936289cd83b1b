#include "platform/adapters/s3_answer.h"

#include <ctime>
#include <sstream>

#include <fmt/format.h>
#include <boost/property_tree/xml_parser.hpp>

namespace sv::s3 {
namespace {

namespace pt = boost::property_tree;

Result<pt::ptree> tree_of(const std::string& xml, const char* root) {
  std::istringstream in(xml);
  pt::ptree out;
  try {
    pt::read_xml(in, out, pt::xml_parser::trim_whitespace);
  } catch (const pt::xml_parser_error& e) {
    return fail(Errc::unavailable, "objects_unavailable", "not XML: " + e.message());
  }
  const auto child = out.get_child_optional(root);
  if (!child)
    return fail(Errc::unavailable, "objects_unavailable", fmt::format("there is no {}", root));
  return *child;
}

// Where the listing goes on, if it does.
std::string next_of(const pt::ptree& tree, const char* name) {
  return tree.get("IsTruncated", std::string()) == "true" ? tree.get(name, std::string()) : "";
}

template <class Each>
void for_each_child(const pt::ptree& tree, std::string_view name, Each each) {
  for (const auto& [child, value] : tree)
    if (child == name) each(value);
}

}  // namespace

Result<Listing> listing_of(const std::string& xml) {
  SV_TRY(const pt::ptree tree, tree_of(xml, "ListBucketResult"));
  Listing out{.objects = {}, .next = next_of(tree, "NextContinuationToken")};
  for_each_child(tree, "Contents", [&](const pt::ptree& one) {
    out.objects.push_back({.key = one.get("Key", std::string()),
                           .size = one.get("Size", std::uint64_t{0}),
                           .modified_ms = time_of(one.get("LastModified", std::string()))});
  });
  return out;
}

Result<PartListing> parts_of(const std::string& xml) {
  SV_TRY(const pt::ptree tree, tree_of(xml, "ListPartsResult"));
  PartListing out{.parts = {}, .next = next_of(tree, "NextPartNumberMarker")};
  for_each_child(tree, "Part", [&](const pt::ptree& one) {
    out.parts.push_back({.number = one.get("PartNumber", 0),
                         .size = one.get("Size", std::uint64_t{0}),
                         .etag = one.get("ETag", std::string())});
  });
  return out;
}

Result<UploadListing> uploads_of(const std::string& xml) {
  SV_TRY(const pt::ptree tree, tree_of(xml, "ListMultipartUploadsResult"));
  UploadListing out{.uploads = {},
                    .next_key = next_of(tree, "NextKeyMarker"),
                    .next_id = next_of(tree, "NextUploadIdMarker")};
  for_each_child(tree, "Upload", [&](const pt::ptree& one) {
    out.uploads.push_back({.key = one.get("Key", std::string()),
                           .id = one.get("UploadId", std::string()),
                           .begun = one.get("Initiated", std::string())});
  });
  return out;
}

Result<std::string> upload_id_of(const std::string& xml) {
  SV_TRY(const pt::ptree tree, tree_of(xml, "InitiateMultipartUploadResult"));
  std::string id = tree.get("UploadId", std::string());
  if (id.empty()) return fail(Errc::unavailable, "objects_unavailable", "an upload without an id");
  return id;
}

std::string error_code_of(const std::string& xml) {
  const auto tree = tree_of(xml, "Error");
  return tree ? tree->get("Code", std::string()) : "";
}

std::string completion_of(const std::vector<Part>& parts) {
  pt::ptree list;
  for (const Part& part : parts) {
    pt::ptree one;
    one.put("PartNumber", part.number);
    one.put("ETag", part.etag);
    list.add_child("Part", one);
  }
  pt::ptree out;
  out.add_child("CompleteMultipartUpload", list);
  std::ostringstream text;
  pt::write_xml(text, out);
  return text.str();
}

std::int64_t time_of(const std::string& text) {
  std::tm parts{};
  const bool known = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) != nullptr ||
                     ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S", &parts) != nullptr;
  return known ? std::int64_t{::timegm(&parts)} * 1000 : 0;
}

}  // namespace sv::s3
