"""The fields of pods and volumes that the chart passes to Kubernetes unchanged, from its OpenAPI document (1.37).

A compact table, which schema() turns into a JSON Schema. The chart's own schema has everything else.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tfconfig.checking import patterns
from tfconfig.values import job_spec

# Name -> JSON Schema. The type of a field is one of these, a type of TYPES, or the allowed strings separated by |.
_SCALARS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "some": {"type": "string", "minLength": 1},
    "int": {"type": "integer"},
    "count": {"type": "integer", "minimum": 0},
    "positive": {"type": "integer", "minimum": 1},
    "bool": {"type": "boolean"},
    "any": {"type": "object"},
    "label": {"type": "string", "pattern": patterns.LABEL, "maxLength": 63},
    "name": {"type": "string", "pattern": patterns.SUBDOMAIN, "maxLength": 253},
    "key": {"type": "string", "pattern": patterns.KEY, "maxLength": 317},
    "value": {"type": "string", "pattern": patterns.LABEL_VALUE, "maxLength": 63},
    "path": {"type": "string", "pattern": patterns.ABSOLUTE},
    "below": {"type": "string", "pattern": patterns.BELOW},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "portName": {"type": "string", "pattern": patterns.PORT_NAME, "maxLength": 15},
    "portOrName": {
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": 65535,
        "pattern": patterns.PORT_NAME,
        "maxLength": 15,
    },
    "mode": {"type": "integer", "minimum": 0, "maximum": 511},
    "weight": {"type": "integer", "minimum": 1, "maximum": 100},
    "quantity": {"type": ["string", "number"], "pattern": patterns.QUANTITY},
    "field": {"type": "string", "pattern": patterns.FIELD},
    "resource": {"type": "string", "pattern": patterns.RESOURCE},
    "image": {"type": "string", "pattern": patterns.IMAGE},
    "cidr": {"type": "string", "pattern": patterns.CIDR},
}
# Type: its fields, as name!:type (required), name:type, name:type[] (a list) and name:type{} (a map).
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
PodSpec: activeDeadlineSeconds:positive affinity:Affinity automountServiceAccountToken:bool containers!:Container[]
    dnsConfig:DnsConfig dnsPolicy:ClusterFirst|ClusterFirstWithHostNet|Default|None enableServiceLinks:bool
    ephemeralContainers:any[] evictionResponders:any[] hostAliases:HostAlias[] hostIPC:bool hostNetwork:bool
    hostPID:bool hostUsers:bool hostname:text hostnameOverride:text imagePullSecrets:OptionalName[]
    initContainers:Container[] nodeName:text nodeSelector:value{} os:Os overhead:quantity{}
    preemptionPolicy:PreemptLowerPriority|Never priority:int priorityClassName:text readinessGates:ReadinessGate[]
    resourceClaims:any[] resources:Resources restartPolicy:Always|OnFailure|Never runtimeClassName:text
    schedulerName:text schedulingGates:SchedulingGate[] schedulingGroup:any securityContext:PodSecurityContext
    serviceAccount:text serviceAccountName:text setHostnameAsFQDN:bool shareProcessNamespace:bool subdomain:text
    terminationGracePeriodSeconds:count tolerations:Toleration[]
    topologySpreadConstraints:TopologySpreadConstraint[] volumes:Volume[]
DnsConfig: nameservers:text[] options:DnsOption[] searches:text[]
DnsOption: name:text value:text
HostAlias: hostnames:text[] ip!:some
Os: name!:some
ReadinessGate: conditionType!:key
SchedulingGate: name!:key
Peer: ipBlock:IpBlock namespaceSelector:LabelSelector podSelector:LabelSelector
IpBlock: cidr!:cidr except:cidr[]
"""

# Their places in the values; also under each role and under lifecycle.
PLACES = {
    "affinity": "Affinity",
    "container": "MoreOfContainer",
    "envFrom": "EnvFromSource[]",
    "extraContainers": "Container[]",
    "extraVolumes": "Volume[]",
    "extraVolumeMounts": "VolumeMount[]",
    "initContainers": "Container[]",
    "podSecurityContext": "PodSecurityContext",
    "podSpec": "MoreOfPodSpec",
    "resources": "Resources",
    "securityContext": "SecurityContext",
    "tolerations": "Toleration[]",
    "topologySpreadConstraints": "TopologySpreadConstraint[]",
}


def types() -> dict[str, str]:
    """The table: name of a type -> its fields."""
    table = dict(line.split(": ", 1) for line in TYPES.replace("\n    ", " ").strip().splitlines())
    more = {f"MoreOf{name}": table[name].replace("!", "") for name in ("Container", "PodSpec")}
    return {**table, **more, "Volume": table["VolumeSource"] + " name!:label"}


def fields(name: str) -> frozenset[str]:
    """The names of a type's fields."""
    return frozenset(token.partition(":")[0].rstrip("!") for token in types()[name].split() if ":" in token)


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
    """Kubernetes reads a null field as a missing one; but not in a list or map, nor where the field is required."""
    if "$ref" in schema:
        return {"type": "object", "allOf": [schema]}
    if "enum" in schema:
        return {"enum": schema["enum"][:-1]}
    return {**schema, "type": [name for name in schema["type"] if name != "null"]}


def _definition(line: str) -> dict[str, Any]:
    tokens = line.split()
    fields = [token.partition(":") for token in tokens if ":" in token]
    optional = [name for name, _, _ in fields if not name.endswith("!")]
    definition: dict[str, Any] = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "required": [name[:-1] for name, _, _ in fields if name.endswith("!")],
        "properties": {
            name.removesuffix("!"): _not_null(_type(type_)) if name.endswith("!") else _type(type_)
            for name, _, type_ in fields
        },
    }
    if tokens[0].startswith("="):
        definition["exactlyOne"] = optional if tokens[0] == "=*" else tokens[0][1:].split(",")
    return definition


@cache
def schema() -> dict[str, Any]:
    """A JSON Schema of the parts of the values that go to Kubernetes unchanged."""
    places = {key: _type(name) for key, name in PLACES.items()}
    env = {"type": ["object", "null"], "additionalProperties": {"properties": {"valueFrom": _type("EnvVarSource")}}}
    role = {"type": ["object", "null"], "properties": {**places, "env": env}}
    data = {"properties": {"volume": _type("VolumeSource"), "subPath": _type("below")}}
    properties: dict[str, Any] = {**places, **dict.fromkeys(job_spec.ROLES, role), "env": env, "lifecycle": role}
    properties["data"] = {"type": "object", "additionalProperties": data}
    properties["networkPolicy"] = {"properties": {"extraPeers": _type("Peer[]")}}
    properties["tensorboard"] = properties["metrics"] = {"properties": {"from": _type("Peer[]")}}
    definitions = {name: _definition(line) for name, line in types().items()}
    return {"properties": properties, "definitions": definitions}
