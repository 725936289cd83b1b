module shortvideo/interop

go 1.24

require (
	github.com/cloudwego/kitex v0.16.0
	github.com/kitex-contrib/registry-etcd v0.2.6
)
