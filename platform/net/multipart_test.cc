#include "platform/net/multipart.h"

#include <gtest/gtest.h>

namespace sv::net {
namespace {

// What a body says: "name|filename|type=data;" for each part, then "end"; or "error".
std::string parse(std::string_view body, std::vector<std::size_t> cuts,
                  std::string boundary = "AbC") {
  MultipartParser parser(std::move(boundary));
  std::string out;
  std::size_t at = 0;
  cuts.push_back(body.size());
  for (std::size_t cut : cuts) {
    std::string bytes(
        body.substr(at, cut - at));  // a copy of its own: sanitizers see who looks back too far
    at = cut;
    parser.feed(std::as_bytes(std::span(bytes)));
    for (;;) {
      auto step = parser.next();
      if (!step) {
        EXPECT_EQ(step.error().token, "multipart_invalid");
        return "error";
      }
      if (!*step) break;
      switch ((*step)->event) {
        case MultipartParser::Event::part_begin:
          out += parser.part().name + "|" + parser.part().filename + "|" +
                 parser.part().content_type + "=";
          break;
        case MultipartParser::Event::data:
          out.append(reinterpret_cast<const char*>((*step)->data.data()), (*step)->data.size());
          break;
        case MultipartParser::Event::part_end:
          out += ";";
          break;
        case MultipartParser::Event::end:
          out += "end";
          break;
      }
    }
  }
  EXPECT_EQ(parser.done(), out.ends_with("end"));
  return out;
}

std::string with_head(std::string_view head) {
  return "--AbC\r\n" + std::string(head) + "\r\n\r\nx\r\n--AbC--\r\n";
}
std::string named(std::string_view parameters) {
  return parse(with_head("Content-Disposition: form-data; " + std::string(parameters)), {});
}

TEST(Multipart, ReadsPartsHoweverTheBytesAreCut) {
  const std::string body =
      "ignored\r\n--Ab\r\n--AbC \t\r\nContent-Disposition: form-data; "
      "name=\"title\"\r\n\r\nhello\r\n"
      "--AbC\r\ncontent-disposition: FORM-DATA; filename=\"a.mp4\"; name=video\r\nContent-Type: "
      "video/mp4\r\n\r\n"
      "\r\n--Ab\r\r\n\r\n--A\r--AbC\r\n-\r\n--AbD\r\n\r\n--AbC\r\n"
      "Content-Disposition: form-data; name=\"empty\"; "
      "filename=\"e\"\r\n\r\n\r\n--AbC--\r\nepilogue\r\n--AbC\r\n";
  const std::string expected =
      "title||=hello;video|a.mp4|video/"
      "mp4=\r\n--Ab\r\r\n\r\n--A\r--AbC\r\n-\r\n--AbD\r\n;empty|e|=;end";
  EXPECT_EQ(parse(body, {}), expected);
  for (std::size_t i = 0; i <= body.size(); ++i) {
    ASSERT_EQ(parse(body, {i}), expected) << i;
    for (std::size_t j = i; j <= body.size(); j += 7)
      ASSERT_EQ(parse(body, {i, j}), expected) << i << " " << j;
  }
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < body.size(); ++i) every.push_back(i);
  EXPECT_EQ(parse(body, every), expected);
}

TEST(Multipart, StartsWithTheBoundaryOrAPreamble) {
  std::string rest = "AbC\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--AbC--";
  EXPECT_EQ(parse("--" + rest, {}), "a||=x;end");
  EXPECT_EQ(parse("\r\n--" + rest, {}), "a||=x;end");
  EXPECT_EQ(parse("text\r\n--" + rest, {}), "a||=x;end");
  EXPECT_EQ(parse("--AbC--\r\n", {}), "end");
}

TEST(Multipart, IsNotDoneWithoutTheClosingBoundary) {
  EXPECT_EQ(parse("", {}), "");
  EXPECT_EQ(parse("--AbC\r\nContent-Disposition: form-data; name=a\r\n\r\nx", {}), "a||=x");
  EXPECT_EQ(parse("--AbC\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--AbC", {}),
            "a||=x;");
  EXPECT_EQ(parse("--AbC\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--AbC-", {}),
            "a||=x;");
}

TEST(Multipart, ReadsNamesAsBrowsersAndCurlSendThem) {
  EXPECT_EQ(named("name=\"a b\"; filename=\"x;y.mp4\""), "a b|x;y.mp4|=x;end");
  EXPECT_EQ(named("name=\"a\"; filename=\"say \\\"hi\\\" \\\\o/ C:\\new.mp4\""),
            "a|say \"hi\" \\o/ C:\\new.mp4|=x;end");
  EXPECT_EQ(named("name=\"a\"; filename=\"../../x\""), "a|../../x|=x;end");
  EXPECT_EQ(named("name=\"a\"; filename=\"\""), "a||=x;end");
  EXPECT_EQ(named("NAME=a;filename=\"电影.mp4\""), "a|电影.mp4|=x;end");
  EXPECT_EQ(named("name=a; filename=\"fallback\"; filename*=UTF-8''%E7%94%B5%20x"),
            "a|电 x|=x;end");
  EXPECT_EQ(named("name=a; filename*=utf-8'en'b; filename=\"fallback\""), "a|b|=x;end");
  EXPECT_EQ(named("name=a;"), "a||=x;end");
}

TEST(Multipart, RefusesMalformedHeads) {
  for (std::string_view p : {"", "name=", "name=\"\"", "name=\"a", "name", "=a", "name=a; name=b",
                             "name=\"a\"x", "filename=\"a\"", "name=a b", "name=a; filename*=b",
                             "name=a; filename*=UTF-8''%zz", "name=a; filename*=latin1''b"})
    EXPECT_EQ(named(p), "error") << p;
  for (std::string_view h :
       {"", "Content-Type: a/b", "Content-Disposition: attachment; name=a", "nonsense", ": x",
        "Content-Disposition: form-data; name=a\r\n folded",
        "Content-Disposition: form-data; name=a\nX: y",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"})
    EXPECT_EQ(parse(with_head(h), {}), "error") << h;
  EXPECT_EQ(parse(with_head(std::string_view("Content-Disposition: form-data; name=a\0b", 40)), {}),
            "error");
}

TEST(Multipart, RefusesTextAfterABoundary) {
  for (std::string_view rest : {"x\r\n", "-x", "\r\r\n", "\n", "  x\r\n", " --"})
    EXPECT_EQ(parse("--AbC" + std::string(rest) +
                        "Content-Disposition: form-data; name=a\r\n\r\nx\r\n--AbC--",
                    {}),
              "error")
        << rest;
  EXPECT_EQ(parse("--AbC" + std::string(1000, ' '), {}), "error");
}

TEST(Multipart, BoundsHeadsAndParts) {
  std::string disposition = "Content-Disposition: form-data; name=a\r\nX: ";
  std::size_t room = 8 * 1024 - disposition.size() - 4;
  EXPECT_EQ(parse(with_head(disposition + std::string(room, 'x')), {}), "a||=x;end");
  EXPECT_EQ(parse(with_head(disposition + std::string(room + 1, 'x')), {}), "error");
  std::string parts;
  for (int i = 0; i < 100; ++i)
    parts += "--AbC\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  EXPECT_TRUE(parse(parts + "--AbC--", {}).ends_with("end"));
  EXPECT_EQ(parse(parts + parts, {}), "error");
}

TEST(Multipart, FindsTheBoundary) {
  EXPECT_EQ(MultipartParser::boundary("multipart/form-data; boundary=AbC"), "AbC");
  EXPECT_EQ(MultipartParser::boundary("Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a b:?\""),
            "a b:?");
  EXPECT_EQ(MultipartParser::boundary("multipart/form-data; boundary=" + std::string(70, 'x')),
            std::string(70, 'x'));
  for (std::string s : {"application/json", "multipart/mixed; boundary=a", ""})
    EXPECT_EQ(MultipartParser::boundary(s).error().code, Errc::unsupported_media) << s;
  for (std::string s :
       {std::string("multipart/form-data"), std::string("multipart/form-data; boundary="),
        std::string("multipart/form-data; boundary=\"a"),
        std::string("multipart/form-data; boundary=a; boundary=b"),
        std::string("multipart/form-data; boundary=\"a \""),
        std::string("multipart/form-data; boundary=a\x01"),
        "multipart/form-data; boundary=" + std::string(71, 'x')})
    EXPECT_EQ(MultipartParser::boundary(s).error().token, "multipart_invalid") << s;
}

}  // namespace
}  // namespace sv::net
