// A Kitex client and a Kitex server, to talk to ours. The packages below kitex_gen are made by Kitex's own tool when the tests run.
//
//	interop call   -etcd HOST:PORT -prefix P [-framing F] [-mux]   calls every method of every service, a JSON line each
//	interop steady -etcd HOST:PORT -prefix P -seconds N            calls all the time; counts what failed
//	interop serve  -etcd HOST:PORT -prefix P                       a user service as the Go system has it
//	interop structs                                                reads structs (idl_dump_structs) and writes them again; counts
//	interop echo   -listen HOST:PORT -method verify|feed           answers at once: what bench/rpc.py compares with
//	interop load   -target HOST:PORT -method verify|feed -seconds N -callers N
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/connpool"
	"github.com/cloudwego/kitex/pkg/discovery"
	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/pkg/rpcinfo"
	"github.com/cloudwego/kitex/pkg/transmeta"
	"github.com/cloudwego/kitex/server"
	"github.com/cloudwego/kitex/transport"
	etcd "github.com/kitex-contrib/registry-etcd"

	"shortvideo/interop/kitex_gen/common"
	"shortvideo/interop/kitex_gen/danmu/danmuservice"
	"shortvideo/interop/kitex_gen/interaction/interactionservice"
	"shortvideo/interop/kitex_gen/legacy"
	legacyservice "shortvideo/interop/kitex_gen/legacy/userservice"
	"shortvideo/interop/kitex_gen/live/liveservice"
	"shortvideo/interop/kitex_gen/message/messageservice"
	"shortvideo/interop/kitex_gen/recommend/recommendservice"
	"shortvideo/interop/kitex_gen/social/socialservice"
	"shortvideo/interop/kitex_gen/user"
	"shortvideo/interop/kitex_gen/user/userservice"
	"shortvideo/interop/kitex_gen/video"
	"shortvideo/interop/kitex_gen/video/videoservice"
)

var (
	endpoint = flag.String("etcd", "", "HOST:PORT")
	prefix   = flag.String("prefix", "kitex/registry-etcd", "of the keys")
	framing  = flag.String("framing", "default", "default, ttheader, ttheader-framed, framed or buffered")
	mux      = flag.Bool("mux", false, "many calls share a connection")
	meta     = flag.Bool("meta", false, "send TTHeader's metadata")
	seconds  = flag.Int("seconds", 5, "")
	listen   = flag.String("listen", "127.0.0.1:0", "")
	target   = flag.String("target", "", "HOST:PORT, without a registry")
	method   = flag.String("method", "verify", "verify or feed")
	callers  = flag.Int("callers", 64, "")
)

type line struct {
	Service string `json:"service"`
	Method  string `json:"method"`
	Error   string `json:"error"`
	Status  int64  `json:"status"`
}

func resolver() discovery.Resolver {
	r, err := etcd.NewEtcdResolver([]string{*endpoint}, etcd.WithEtcdServicePrefix(*prefix))
	if err != nil {
		panic(err)
	}
	return r
}

func options() []client.Option {
	out := []client.Option{client.WithResolver(resolver()), client.WithRPCTimeout(5 * time.Second)}
	switch *framing {
	case "ttheader":
		out = append(out, client.WithTransportProtocol(transport.TTHeader))
	case "ttheader-framed":
		out = append(out, client.WithTransportProtocol(transport.TTHeaderFramed))
	case "framed":
		out = append(out, client.WithTransportProtocol(transport.Framed))
	case "buffered":
		out = append(out, client.WithTransportProtocol(transport.PurePayload))
	}
	if *meta {
		out = append(out, client.WithMetaHandler(transmeta.ClientTTHeaderHandler))
	}
	if *mux {
		out = append(out, client.WithMuxConnection(2))
	}
	return out
}

func clients() map[string]any {
	out := map[string]any{}
	made := func(name string, c any, err error) {
		if err != nil {
			panic(err)
		}
		out[name] = c
	}
	u, err := userservice.NewClient("user", options()...)
	made("user", u, err)
	v, err := videoservice.NewClient("video", options()...)
	made("video", v, err)
	s, err := socialservice.NewClient("social", options()...)
	made("social", s, err)
	i, err := interactionservice.NewClient("interaction", options()...)
	made("interaction", i, err)
	m, err := messageservice.NewClient("message", options()...)
	made("message", m, err)
	return out
}

// Every method with an empty request. A failure of the service is in its BaseResp; an error is one of the transport.
func call() {
	for name, c := range clients() {
		v := reflect.ValueOf(c)
		for n := 0; n < v.NumMethod(); n++ {
			method := v.Type().Method(n)
			arguments := []reflect.Value{reflect.ValueOf(context.Background())}
			for a := 1; a < v.Method(n).Type().NumIn()-1; a++ {
				in := v.Method(n).Type().In(a)
				if in.Kind() == reflect.Pointer {
					arguments = append(arguments, reflect.New(in.Elem()))
				} else {
					arguments = append(arguments, reflect.Zero(in))
				}
			}
			result := v.Method(n).Call(arguments)
			out := line{Service: name, Method: method.Name}
			if err, failed := result[1].Interface().(error); failed {
				out.Error = err.Error()
			} else if r := result[0]; r.Kind() == reflect.Pointer && !r.IsNil() {
				base := r.Elem().FieldByName("BaseResp")
				if !base.IsValid() {
					base = r
				}
				if !base.IsNil() {
					out.Status = base.Elem().FieldByName("StatusCode").Int()
				}
			}
			text, _ := json.Marshal(out)
			fmt.Println(string(text))
		}
	}
}

// Eight callers, all the time.
func steady() {
	c, err := userservice.NewClient("user", options()...)
	if err != nil {
		panic(err)
	}
	var calls, failed atomic.Int64
	var last atomic.Value
	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	var all sync.WaitGroup
	for n := 0; n < 8; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for time.Now().Before(end) {
				calls.Add(1)
				if _, err := c.CheckUsername(context.Background(), &user.CheckUsernameReq{Username: "nobody_here"}); err != nil {
					failed.Add(1)
					last.Store(err.Error())
				}
				time.Sleep(2 * time.Millisecond)
			}
		}()
	}
	all.Wait()
	text, _ := json.Marshal(map[string]any{"calls": calls.Load(), "failed": failed.Load(), "last": last.Load()})
	fmt.Println(string(text))
}

type goUsers struct{}

func text(s string) *string { return &s }

func person(id int64) *legacy.User {
	return &legacy.User{Id: id, Username: fmt.Sprintf("go-%d", id), FollowCount: 3}
}

func (*goUsers) Login(ctx context.Context, req *legacy.LoginReq) (*legacy.LoginRegisterResp, error) {
	return &legacy.LoginRegisterResp{BaseResp: &legacy.BaseResp{StatusCode: -1, Msg: text("密码错误")}}, nil
}
func (*goUsers) GetUserInfo(ctx context.Context, req *legacy.UserInfoReq) (*legacy.UserInfoResp, error) {
	return &legacy.UserInfoResp{BaseResp: &legacy.BaseResp{}, User: person(req.UserId)}, nil
}
func (*goUsers) BatchGetUserInfo(ctx context.Context, req *legacy.BatchUserInfoReq) (*legacy.BatchUserInfoResp, error) {
	out := &legacy.BatchUserInfoResp{BaseResp: &legacy.BaseResp{}, Users: map[int64]*legacy.User{}}
	for _, id := range req.UserIds {
		out.Users[id] = person(id)
	}
	return out, nil
}
func (*goUsers) CheckUsername(ctx context.Context, req *legacy.CheckUsernameReq) (*legacy.CheckUsernameResp, error) {
	if req.Username == "sleeper" {
		time.Sleep(30 * time.Second)
	}
	return &legacy.CheckUsernameResp{Available: true, BaseResp: nil}, nil // a nil struct: Go writes an empty one
}
func (*goUsers) BatchCheckUsernames(ctx context.Context, req *legacy.BatchCheckUsernamesReq) (*legacy.BatchCheckUsernamesResp, error) {
	return nil, errors.New("boom") // an exception on the wire
}
func (*goUsers) VerifyToken(ctx context.Context, token string) (bool, error) { return true, nil }

func serve() {
	registry, err := etcd.NewEtcdRegistry([]string{*endpoint}, etcd.WithEtcdServicePrefix(*prefix))
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := listener.Addr()
	listener.Close()
	s := legacyservice.NewServer(&goUsers{}, server.WithServiceAddr(address), server.WithRegistry(registry),
		server.WithServerBasicInfo(&rpcinfo.EndpointBasicInfo{ServiceName: "user"}))
	fmt.Println("serving", address)
	if err := s.Run(); err != nil {
		panic(err)
	}
}

type echoUsers struct{ user.UserService }

func (echoUsers) VerifyToken(ctx context.Context, token string) (bool, error) { return true, nil }

type echoVideos struct{ video.VideoService }

// Twenty videos, about 5 KB.
func (echoVideos) GetFeed(ctx context.Context, req *video.FeedReq) (*video.FeedResp, error) {
	out := &video.FeedResp{BaseResp: &common.BaseResp{}, NextTime: 1}
	for n := int64(1); n <= 20; n++ {
		out.Videos = append(out.Videos, &common.Video{Id: n, AuthorId: n, Url: "/media/787354452754432/787354452754433/787354439133184/360.mp4",
			CoverUrl: "/media/787354452754432/787354452754433/787354439133184/poster.jpg", LikeCount: 7, CommentCount: 3,
			Title: "a title of some length", PublishTime: 1764200000000, Description: "and a description that is a little longer"})
	}
	return out, nil
}

func echo() {
	address, err := net.ResolveTCPAddr("tcp", *listen)
	if err != nil {
		panic(err)
	}
	var s server.Server
	if *method == "feed" {
		s = videoservice.NewServer(&echoVideos{}, server.WithServiceAddr(address))
	} else {
		s = userservice.NewServer(&echoUsers{}, server.WithServiceAddr(address))
	}
	if err := s.Run(); err != nil {
		panic(err)
	}
}

// As many callers as asked for, each with its next call when the last is answered, over long connections.
func load() {
	o := []client.Option{client.WithHostPorts(*target), client.WithTransportProtocol(transport.TTHeader), client.WithRPCTimeout(5 * time.Second),
		client.WithLongConnection(connpool.IdleConfig{MaxIdlePerAddress: *callers, MaxIdleGlobal: *callers, MaxIdleTimeout: time.Minute})}
	users, err := userservice.NewClient("user", o...)
	if err != nil {
		panic(err)
	}
	videos, err := videoservice.NewClient("video", o...)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	once := func() error {
		if *method == "feed" {
			_, err := videos.GetFeed(ctx, &video.FeedReq{PageSize: 20})
			return err
		}
		_, err := users.VerifyToken(ctx, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789")
		return err
	}
	var calls, failed atomic.Int64
	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	var all sync.WaitGroup
	for n := 0; n < *callers; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for time.Now().Before(end) {
				if err := once(); err != nil {
					failed.Add(1)
				}
				calls.Add(1)
			}
		}()
	}
	all.Wait()
	text, _ := json.Marshal(map[string]any{"calls": calls.Load(), "failed": failed.Load()})
	fmt.Println(string(text))
}

type fast interface {
	FastRead(buf []byte) (int, error)
	FastWrite(buf []byte) int
	BLength() int
}

// The structs that a type leads to, by their name in the IDL.
func collect(t reflect.Type, into map[string]reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		collect(t.Elem(), into)
	case reflect.Map:
		collect(t.Key(), into)
		collect(t.Elem(), into)
	case reflect.Struct:
		name := path.Base(t.PkgPath()) + "::" + t.Name()
		if _, known := into[name]; known || !reflect.PointerTo(t).Implements(reflect.TypeFor[fast]()) {
			return
		}
		into[name] = t
		for n := 0; n < t.NumField(); n++ {
			collect(t.Field(n).Type, into)
		}
	}
}

func structs() {
	known := map[string]reflect.Type{}
	for _, c := range []reflect.Type{reflect.TypeFor[userservice.Client](), reflect.TypeFor[videoservice.Client](), reflect.TypeFor[socialservice.Client](),
		reflect.TypeFor[interactionservice.Client](), reflect.TypeFor[messageservice.Client](), reflect.TypeFor[liveservice.Client](),
		reflect.TypeFor[danmuservice.Client](), reflect.TypeFor[recommendservice.Client]()} {
		for n := 0; n < c.NumMethod(); n++ {
			m := c.Method(n).Type
			for a := 0; a < m.NumIn(); a++ {
				collect(m.In(a), known)
			}
			collect(m.Out(0), known)
		}
	}
	same, other, unknown := 0, []string{}, []string{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var name, text string
		fmt.Sscan(in.Text(), &name, &text)
		if !strings.Contains(name, "::") {
			name = "common::" + name
		}
		t, found := known[name]
		if !found {
			unknown = append(unknown, name)
			continue
		}
		wire, _ := base64.StdEncoding.DecodeString(text)
		value := reflect.New(t).Interface().(fast)
		read, err := value.FastRead(wire)
		again := make([]byte, value.BLength())
		again = again[:value.FastWrite(again)]
		equal := err == nil && read == len(wire) && bytes.Equal(wire, again)
		if !equal && err == nil && read == len(wire) && len(again) == len(wire) {
			// Go writes the pairs of a map in any order: then it is the same value of the same length.
			twice := reflect.New(t).Interface().(fast)
			_, err = twice.FastRead(again)
			equal = err == nil && reflect.DeepEqual(value, twice)
		}
		if equal {
			same++
		} else {
			other = append(other, name)
		}
	}
	out, _ := json.Marshal(map[string]any{"same": same, "other": other, "unknown": unknown, "known": len(known)})
	fmt.Println(string(out))
}

func main() {
	what := os.Args[1]
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		panic(err)
	}
	klog.SetLevel(klog.LevelFatal)
	map[string]func(){"call": call, "steady": steady, "serve": serve, "echo": echo, "load": load, "structs": structs}[what]()
}
