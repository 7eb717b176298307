"""A template is read as CloudFormation would understand it, as far as one machine is concerned."""

from pathlib import Path

import pytest

from penstock.local.template import HERE, Queue, Route, Source, Template, UnusableTemplate, find

TEXT = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Every: {Type: String, Default: rate(2 minutes)}
  Alerts: {Type: String, Default: ""}
  Size: {Type: Number, Default: 7}
Mappings:
  Sizes: {eu-west-1: {memory: 512}}
Conditions:
  HasAlerts: !Not [!Equals [!Ref Alerts, ""]]
  Quiet: !And [!Not [!Condition HasAlerts], !Equals [a, a]]
  Either: !Or [!Condition HasAlerts, !Condition Quiet]
Globals:
  Function:
    CodeUri: code/
    Timeout: 29
    Environment: {Variables: {BOTH: global, FROM_GLOBALS: "1"}}
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Handler: work.handler
      Timeout: 900
      MemorySize: !FindInMap [Sizes, !Ref AWS::Region, memory]
      Environment:
        Variables:
          BOTH: own
          URL: !Ref Jobs
          ARN: !GetAtt Jobs.Arn
          ENDPOINT: !GetAtt Cluster.Endpoint.Address
          QUEUES: !Sub '{"default": "${Jobs}", "literal": "${!Jobs}", "arn": "${Jobs.Arn}"}'
          GIVEN: !Sub ["${a}-${Size}", {a: !Select [1, [x, y]]}]
          LEFT_OUT: !If [HasAlerts, !Ref Alerts, !Ref AWS::NoValue]
          CHOSEN: !If [Either, !Join ["/", [a, !Ref Size]], never]
          HOST: !Select [0, !Split [".", db.example.com]]
      Events:
        Jobs:
          Type: SQS
          Properties: {Queue: !GetAtt Jobs.Arn, BatchSize: !Ref Size, ScalingConfig: {MaximumConcurrency: 3}}
        Off:
          Type: SQS
          Properties: {Queue: !GetAtt Dead.Arn, Enabled: false}
        Tick:
          Type: ScheduleV2
          Properties: {ScheduleExpression: !Ref Every, Input: '{"a": 1}'}
        Never:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 minute), State: DISABLED}
        Web:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: get, Path: "/things/{id}"}
        Rest: {Type: HttpApi}
  Alarmed:
    Type: AWS::Serverless::Function
    Condition: HasAlerts
    Properties: {Handler: alarmed.handler}
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 5400
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 5}
  Dead: {Type: AWS::SQS::Queue}
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    file = tmp_path / "template.yaml"
    file.write_text(TEXT)
    return Template(file, lambda name: f"http://queues/{name}")


def test_a_function_has_its_own_properties_over_the_global_ones(template: Template, tmp_path: Path) -> None:
    work = template.functions["Work"]
    assert (work.handler, work.timeout, work.memory, work.code) == ("work.handler", 900, 512, tmp_path / "code")
    assert work.arn == "arn:aws:lambda:eu-west-1:012345678901:function:Work"


def test_functions_of_cloudformation_come_to_what_they_mean(template: Template) -> None:
    arn = "arn:aws:sqs:eu-west-1:012345678901:Jobs"
    assert {
        "BOTH": "own",
        "FROM_GLOBALS": "1",
        "URL": "http://queues/Jobs",
        "ARN": arn,
        "ENDPOINT": "Cluster.Endpoint.Address",
        "QUEUES": f'{{"default": "http://queues/Jobs", "literal": "${{Jobs}}", "arn": "{arn}"}}',
        "GIVEN": "y-7",
        "CHOSEN": "a/7",
        "HOST": "db",
    } == template.functions["Work"].environment


def test_what_depends_on_a_condition_that_does_not_hold_is_not_there(template: Template) -> None:
    assert ["Work"] == list(template.functions)


def test_queues_have_their_time_and_their_dead_letters(template: Template) -> None:
    assert {"Jobs": Queue("Jobs", 5400, 5, "Dead"), "Dead": Queue("Dead", 30, None, None)} == template.queues


def test_only_what_is_enabled_wakes_functions(template: Template) -> None:
    assert [Source("Work", "Jobs", 7, 3)] == template.sources
    assert [("WorkTick", "rate(2 minutes)", "UTC", '{"a": 1}')] == [
        (tick.name, tick.expression, tick.timezone, tick.input) for tick in template.ticks
    ]


def test_a_route_that_names_no_path_takes_everything(template: Template) -> None:
    assert [Route("GET", "/things/{id}", "Work"), Route("ANY", "$default", "Work")] == template.routes


def test_the_template_of_this_project_has_what_the_service_is_made_of() -> None:
    template = Template(HERE / "template.yaml", lambda name: f"http://queues/{name}")
    names = {function.handler.partition(".")[0] for function in template.functions.values()}
    assert {"api", "worker", "drain", "sweep", "retention", "migrate"} == names
    assert {"WorkerFunction"} == {source.function for source in template.sources}
    assert {"DrainFunction", "SweepFunction", "RetentionFunction"} <= {tick.function for tick in template.ticks}
    assert {"ApiFunction"} == {route.function for route in template.routes}
    for source in template.sources:
        assert template.queues[source.queue].dead_letters in template.queues
    for function in template.functions.values():
        assert (function.name, True) == (function.name, (function.code / "api" / "app.py").is_file())


@pytest.mark.parametrize("text", ["a: [", "Resources: {A: {}}", "Globals: {Function: {Timeout: !If [No, 1, 2]}}"])
def test_a_template_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(text)
    with pytest.raises(UnusableTemplate, match=r"template\.yaml cannot be read as a template") as refused:
        _ = Template(file).functions
    assert "\n" not in str(refused.value)


def test_a_template_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableTemplate, match="run this in a checkout of Penstock"):
        find(str(tmp_path / "none.yaml"))
