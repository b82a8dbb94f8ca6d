"""The fields of what the chart passes on to Kubernetes as it is, from the API's OpenAPI document (1.37).

A compact table, of which schema() makes a JSON Schema. The chart's own schema types everything else.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tfconfig.checking.schema import FORMS
from tfconfig.values import job_spec

LABEL, SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_PORT_NAME = r"^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$"
_QUANTITY = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$"
_ABSOLUTE = r"^/[^:]*$"
_BELOW = r"^(?!/)(?!(.*/)?\.\.(/|$))"
_FIELD = (
    r"^(metadata\.(name|namespace|uid|labels\['.+'\]|annotations\['.+'\])|spec\.(nodeName|serviceAccountName)|"
    r"status\.(hostIPs?|podIPs?))$"
)
_RESOURCE = r"^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$"
_IMAGE = r"^[A-Za-z0-9][^\s:@]*(:[0-9]+(?=/)[^\s:@]*)?(:[A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?(@sha256:[a-f0-9]{64})?$"
_CIDR = (
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F:]+(:[0-9.]+)?/([0-9]{1,2}|1[01][0-9]|12[0-8]))$"
)
FORMS.update(
    {
        SUBDOMAIN: "the name of a Kubernetes object: lower-case letters, digits, - and .",
        _PORT_NAME: "a port's name of at most 15 lower-case letters, digits and -",
        _QUANTITY: "a Kubernetes quantity, such as 8Gi or 500m",
        _ABSOLUTE: "an absolute path without a colon, such as /data",
        _BELOW: "a path below the volume, without ..",
        _FIELD: "metadata.name, metadata.labels['key'], spec.nodeName, status.podIP or the like",
        _RESOURCE: "limits.cpu, requests.memory or the like",
        _IMAGE: "an image such as registry.example.com/team/image:1.0",
        _CIDR: "a network such as 10.0.0.0/8",
    }
)

# Name -> JSON Schema. A field's type is one of these, a type of TYPES, or allowed words with | between them.
_SCALARS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "some": {"type": "string", "minLength": 1},
    "int": {"type": "integer"},
    "count": {"type": "integer", "minimum": 0},
    "positive": {"type": "integer", "minimum": 1},
    "bool": {"type": "boolean"},
    "any": {"type": "object"},
    "label": {"type": "string", "pattern": LABEL, "maxLength": 63},
    "name": {"type": "string", "pattern": SUBDOMAIN, "maxLength": 253},
    "key": {"type": "string", "pattern": _KEY, "maxLength": 317},
    "value": {"type": "string", "pattern": _LABEL_VALUE, "maxLength": 63},
    "path": {"type": "string", "pattern": _ABSOLUTE},
    "below": {"type": "string", "pattern": _BELOW},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "portName": {"type": "string", "pattern": _PORT_NAME, "maxLength": 15},
    "portOrName": {
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 65535,
        "pattern": _PORT_NAME,
        "maxLength": 15,
    },
    "mode": {"type": "integer", "minimum": 0, "maximum": 511},
    "weight": {"type": "integer", "minimum": 1, "maximum": 100},
    "quantity": {"type": ["string", "number"], "pattern": _QUANTITY},
    "field": {"type": "string", "pattern": _FIELD},
    "resource": {"type": "string", "pattern": _RESOURCE},
    "image": {"type": "string", "pattern": _IMAGE},
    "cidr": {"type": "string", "pattern": _CIDR},
}
# Type: its fields, as name!:type (needed), name:type, name:type[] (a list) and name:type{} (a map).
# `=a,b` in front: exactly one of these fields; `=*`: exactly one of those without "!".
TYPES = """
EnvFromSource: =configMapRef,secretRef configMapRef:OptionalName prefix:text secretRef:OptionalName
OptionalName: name!:name optional:bool
EnvVarSource: =* configMapKeyRef:KeySelector fieldRef:FieldRef fileKeyRef:FileKey resourceFieldRef:ResourceRef
    secretKeyRef:KeySelector
KeySelector: key!:some name!:name optional:bool
FieldRef: apiVersion:text fieldPath!:field
FileKey: key!:some optional:bool path!:below volumeName!:label
ResourceRef: containerName:text divisor:quantity resource!:resource
Toleration: effect:NoSchedule|PreferNoSchedule|NoExecute| key:key operator:Exists|Equal|Lt|Gt| tolerationSeconds:int
    value:value
Affinity: nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAffinity
NodeAffinity: preferredDuringSchedulingIgnoredDuringExecution:PreferredTerm[]
    requiredDuringSchedulingIgnoredDuringExecution:NodeSelector
PreferredTerm: preference!:NodeTerm weight!:weight
NodeSelector: nodeSelectorTerms!:NodeTerm[]
NodeTerm: matchExpressions:NodeRequirement[] matchFields:NodeRequirement[]
NodeRequirement: key!:key operator!:In|NotIn|Exists|DoesNotExist|Gt|Lt values:text[]
PodAffinity: preferredDuringSchedulingIgnoredDuringExecution:WeightedTerm[]
    requiredDuringSchedulingIgnoredDuringExecution:PodTerm[]
WeightedTerm: podAffinityTerm!:PodTerm weight!:weight
PodTerm: labelSelector:LabelSelector matchLabelKeys:key[] mismatchLabelKeys:key[] namespaceSelector:LabelSelector
    namespaces:label[] topologyKey!:key
LabelSelector: matchExpressions:LabelRequirement[] matchLabels:value{}
LabelRequirement: key!:key operator!:In|NotIn|Exists|DoesNotExist values:value[]
TopologySpreadConstraint: labelSelector:LabelSelector matchLabelKeys:key[] maxSkew!:positive minDomains:positive
    nodeAffinityPolicy:Honor|Ignore nodeTaintsPolicy:Honor|Ignore topologyKey!:key
    whenUnsatisfiable!:DoNotSchedule|ScheduleAnyway
PodSecurityContext: appArmorProfile:Profile fsGroup:count fsGroupChangePolicy:OnRootMismatch|Always runAsGroup:count
    runAsNonRoot:bool runAsUser:count seLinuxChangePolicy:MountOption|Recursive seLinuxOptions:SELinux
    seccompProfile:Profile supplementalGroups:count[] supplementalGroupsPolicy:Merge|Strict sysctls:Sysctl[]
    windowsOptions:any
SecurityContext: allowPrivilegeEscalation:bool appArmorProfile:Profile capabilities:Capabilities privileged:bool
    procMount:Default|Unmasked readOnlyRootFilesystem:bool runAsGroup:count runAsNonRoot:bool runAsUser:count
    seLinuxOptions:SELinux seccompProfile:Profile windowsOptions:any
Profile: localhostProfile:text type!:RuntimeDefault|Localhost|Unconfined
SELinux: level:text role:text type:text user:text
Sysctl: name!:some value!:text
Capabilities: add:text[] drop:text[]
Container: args:text[] command:text[] env:EnvVar[] envFrom:EnvFromSource[] image!:image
    imagePullPolicy:Always|IfNotPresent|Never lifecycle:Lifecycle livenessProbe:Probe name!:label ports:Port[]
    readinessProbe:Probe resizePolicy:any[] resources:Resources restartPolicy:Always|OnFailure|Never
    restartPolicyRules:any[] securityContext:SecurityContext startupProbe:Probe stdin:bool stdinOnce:bool
    terminationMessagePath:text terminationMessagePolicy:File|FallbackToLogsOnError tty:bool volumeDevices:Device[]
    volumeMounts:VolumeMount[] workingDir:text
EnvVar: name!:some value:text valueFrom:EnvVarSource
Port: containerPort!:port hostIP:text hostPort:port name:portName protocol:TCP|UDP|SCTP
Device: devicePath!:path name!:label
Lifecycle: postStart:Handler preStop:Handler stopSignal:text
Handler: =* exec:Exec httpGet:HttpGet sleep:Sleep tcpSocket:TcpSocket
Sleep: seconds!:count
Probe: =exec,grpc,httpGet,tcpSocket exec:Exec failureThreshold:positive grpc:Grpc httpGet:HttpGet
    initialDelaySeconds:count periodSeconds:positive successThreshold:positive tcpSocket:TcpSocket
    terminationGracePeriodSeconds:positive timeoutSeconds:positive
Exec: command!:text[]
Grpc: mode:text port!:port service:text
HttpGet: host:text httpHeaders:Header[] path:text port!:portOrName protocol:text scheme:HTTP|HTTPS
Header: name!:some value!:text
TcpSocket: host:text port!:portOrName
Resources: claims:Claim[] limits:quantity{} requests:quantity{}
Claim: name!:label request:text
VolumeMount: bindMountOptions:text[] mountPath!:path mountPropagation:None|HostToContainer|Bidirectional name!:label
    readOnly:bool recursiveReadOnly:Disabled|IfPossible|Enabled subPath:below subPathExpr:below
VolumeSource: =* awsElasticBlockStore:any azureDisk:any azureFile:AzureFile cephfs:any cinder:any
    configMap:ConfigMapVolume csi:Csi downwardAPI:DownwardVolume emptyDir:EmptyDir ephemeral:Ephemeral fc:any
    flexVolume:any flocker:any gcePersistentDisk:any gitRepo:any glusterfs:any hostPath:HostPath image:ImageVolume
    iscsi:any nfs:Nfs persistentVolumeClaim:ClaimVolume photonPersistentDisk:any portworxVolume:any
    projected:Projected quobyte:any rbd:any scaleIO:any secret:SecretVolume storageos:any vsphereVolume:any
AzureFile: readOnly:bool secretName!:name shareName!:some
ConfigMapVolume: defaultMode:mode defaultUser:count items:KeyToPath[] name!:name optional:bool
SecretVolume: defaultMode:mode defaultUser:count items:KeyToPath[] optional:bool secretName!:name
KeyToPath: key!:some mode:mode path!:below user:count
Csi: driver!:some fsType:text nodePublishSecretRef:OptionalName readOnly:bool volumeAttributes:text{}
DownwardVolume: defaultMode:mode defaultUser:count items:DownwardFile[]
DownwardFile: =fieldRef,resourceFieldRef fieldRef:FieldRef mode:mode path!:below resourceFieldRef:ResourceRef
    user:count
EmptyDir: medium:Memory|HugePages|HugePages-2Mi|HugePages-1Gi| mode:mode sizeLimit:quantity
Ephemeral: volumeClaimTemplate!:ClaimTemplate
ClaimTemplate: metadata:any spec!:ClaimSpec
ClaimSpec: accessModes!:ReadWriteOnce|ReadWriteMany|ReadOnlyMany|ReadWriteOncePod[] dataSource:any dataSourceRef:any
    resources!:Resources selector:LabelSelector storageClassName:text volumeAttributesClassName:text
    volumeMode:Filesystem|Block volumeName:text
HostPath: path!:some type:DirectoryOrCreate|Directory|FileOrCreate|File|Socket|CharDevice|BlockDevice|
ImageVolume: pullPolicy:Always|IfNotPresent|Never reference:image
Nfs: path!:path readOnly:bool server!:some
ClaimVolume: claimName!:name readOnly:bool
Projected: defaultMode:mode defaultUser:count sources:Projection[]
Projection: =* clusterTrustBundle:any configMap:ProjectedMap downwardAPI:ProjectedFields podCertificate:any
    secret:ProjectedMap serviceAccountToken:Token
ProjectedMap: items:KeyToPath[] name!:name optional:bool
ProjectedFields: items:DownwardFile[]
Token: audience:text expirationSeconds:positive path!:below user:count
Peer: ipBlock:IpBlock namespaceSelector:LabelSelector podSelector:LabelSelector
IpBlock: cidr!:cidr except:cidr[]
"""

# Where the values have them; under a role and under lifecycle too.
PLACES = {
    "affinity": "Affinity",
    "envFrom": "EnvFromSource[]",
    "extraContainers": "Container[]",
    "extraVolumes": "Volume[]",
    "extraVolumeMounts": "VolumeMount[]",
    "initContainers": "Container[]",
    "podSecurityContext": "PodSecurityContext",
    "resources": "Resources",
    "securityContext": "SecurityContext",
    "tolerations": "Toleration[]",
    "topologySpreadConstraints": "TopologySpreadConstraint[]",
}


def types() -> dict[str, str]:
    """Name -> fields, of each type in the table."""
    table = dict(line.split(": ", 1) for line in TYPES.replace("\n    ", " ").strip().splitlines())
    return {**table, "Volume": table["VolumeSource"] + " name!:label"}


def _type(name: str) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": ["array", "null"], "items": _not_null(_type(name[:-2]))}
    if name.endswith("{}"):
        return {
            "type": ["object", "null"],
            "propertyNames": _SCALARS["key"],
            "additionalProperties": _not_null(_type(name[:-2])),
        }
    if "|" in name:
        return {"enum": [*name.split("|"), None]}
    if name in _SCALARS:
        scalar = _SCALARS[name]
        types = scalar["type"] if isinstance(scalar["type"], list) else [scalar["type"]]
        return {**scalar, "type": [*types, "null"]}
    return {"$ref": f"#/definitions/{name}"}


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Kubernetes takes null for any field, as if it were left out; but not in a list or map, or where it is needed."""
    if "$ref" in schema:
        return {"type": "object", "allOf": [schema]}
    if "enum" in schema:
        return {"enum": schema["enum"][:-1]}
    return {**schema, "type": [name for name in schema["type"] if name != "null"]}


def _definition(line: str) -> dict[str, Any]:
    words = line.split()
    fields = [word.partition(":") for word in words if ":" in word]
    optional = [name for name, _, _ in fields if not name.endswith("!")]
    made: dict[str, Any] = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "required": [name[:-1] for name, _, _ in fields if name.endswith("!")],
        "properties": {
            name.removesuffix("!"): _not_null(_type(type_)) if name.endswith("!") else _type(type_)
            for name, _, type_ in fields
        },
    }
    if words[0].startswith("="):
        made["exactlyOne"] = optional if words[0] == "=*" else words[0][1:].split(",")
    return made


@cache
def schema() -> dict[str, Any]:
    """A JSON Schema of the values' parts that go to Kubernetes as they are."""
    places = {key: _type(name) for key, name in PLACES.items()}
    env = {"type": ["object", "null"], "additionalProperties": {"properties": {"valueFrom": _type("EnvVarSource")}}}
    role = {"type": ["object", "null"], "properties": {**places, "env": env}}
    data = {"properties": {"volume": _type("VolumeSource"), "subPath": _type("below")}}
    properties: dict[str, Any] = {**places, **dict.fromkeys(job_spec.ROLES, role), "env": env, "lifecycle": role}
    properties["data"] = {"type": "object", "additionalProperties": data}
    properties["networkPolicy"] = {"properties": {"extraPeers": _type("Peer[]")}}
    definitions = {name: _definition(line) for name, line in types().items()}
    return {"properties": properties, "definitions": definitions}
