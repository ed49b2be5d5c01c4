package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"google.golang.org/genproto/googleapis/api/visibility"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// hiddenLabel is a visibility label that nobody selects, so that what carries it
// is left out of the document.
const hiddenLabel = "INTERNAL"

// prepare changes the request in place: JSON names become the proto names, which
// are the names on our wire; field masks disappear, because the edge computes them
// from the fields that a request body holds; and the generator's own error
// responses are switched off.
func prepare(req *pluginpb.CodeGeneratorRequest) {
	req.Parameter = proto.String("disable_default_errors=true")
	for _, file := range req.GetProtoFile() {
		for _, msg := range file.GetMessageType() {
			prepareMessage(msg)
		}
	}
}

func prepareMessage(msg *descriptorpb.DescriptorProto) {
	for _, field := range msg.GetField() {
		field.JsonName = proto.String(field.GetName())
		if field.GetTypeName() == ".google.protobuf.FieldMask" {
			if field.Options == nil {
				field.Options = &descriptorpb.FieldOptions{}
			}
			proto.SetExtension(field.Options, visibility.E_FieldVisibility,
				&visibility.VisibilityRule{Restriction: hiddenLabel})
		}
	}
	for _, nested := range msg.GetNestedType() {
		prepareMessage(nested)
	}
}

// runGenerator hands the request to the protoc-gen-openapiv3 that is installed
// beside this program.
func runGenerator(req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own path: %w", err)
	}
	return runProgram(filepath.Join(filepath.Dir(self), "protoc-gen-openapiv3"), req)
}

// runProgram runs one plugin program over the plugin protocol.
func runProgram(program string, req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	data, err := proto.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var stdout bytes.Buffer
	cmd := exec.Command(program)
	cmd.Stdin = bytes.NewReader(data)
	cmd.Stdout = &stdout
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run %s: %w", program, err)
	}
	resp := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(stdout.Bytes(), resp); err != nil {
		return nil, fmt.Errorf("decode answer of %s: %w", program, err)
	}
	if msg := resp.GetError(); msg != "" {
		return nil, fmt.Errorf("%s: %s", filepath.Base(program), msg)
	}
	return resp, nil
}
